"""reStructuredText: what docutils knows, what only Sphinx knows, and what neither can read."""

import pytest

from leaftests.reading import read_one, reason_of

pytest.importorskip("docutils", reason="needs the extra [formats]")


def text_of(text: str) -> str:
    return read_one(text.encode(), "rst").text


def test_headings_lists_code_and_tables() -> None:
    text = (
        "=====\nGuide\n=====\n\nInstall\n=======\n\n- one\n\n  - two\n\n::\n\n  a\n    b\n\n"
        "Deep\n----\n\n==== ====\nPart Cost\n==== ====\nFuse 9.80\n==== ====\n"
    )
    found = read_one(text.encode(), "rst")

    assert found.title == "Guide"
    for part in (
        "# Guide\n",
        "## Install\n",
        "### Deep\n",
        "- one\n",
        "  - two",
        "```\na\n  b\n```",
        "| Part | Cost |\n| --- | --- |\n| Fuse | 9.80 |",
    ):
        assert part in found.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "See :ref:`the pump <pump>` and :py:func:`~os.path.join`.",
            "See the pump and os.path.join.",
        ),
        ("H\\ :sub:`2`\\ O and :unheard:`of`", "H2O and of"),
        (".. py:function:: run(*args)\n\n   Runs it.", "run(*args)\n\nRuns it."),
        (".. versionadded:: 3.2\n   New thing.", "New in version 3.2\nNew thing."),
        (".. unheard-of:: words here\n   :option: 1\n\n   Content.", "words here\n\nContent."),
        (".. function:: f(x)\n\n   :param x: the number", "the number"),
        (".. versionchanged:: 3.3\n\n   Also text.", "Changed in version 3.3\n\nAlso text."),
        (".. only:: html\n\n   Shown.", "Shown."),
        (".. code-block:: python\n   :linenos:\n\n   x = 1\n     y", "x = 1\n  y"),
        (".. |a| replace:: other words\n\nSee |a|.", "See other words."),
        ("Text [#n]_.\n\n.. [#n] The note.", "Text [^1].\n\n[^1]: The note."),
        ("An undefined_ target and *unclosed", "An undefined_ target and"),
        ("==  ==\na   b\n==  ==\nx y z w\n==  ==\n", "x y z w"),
    ],
)
def test_no_words_are_lost(text: str, expected: str) -> None:
    found = text_of(text)

    assert expected in found
    assert "System Message" not in found


def test_lists_of_pages_and_included_files_are_reported() -> None:
    text = "Words.\n\n.. toctree::\n   :maxdepth: 1\n\n   install\n\n.. include:: /etc/hostname\n"
    found = read_one(text.encode(), "rst")

    assert found.text == "Words."
    assert [(o.reason, o.text) for o in found.omissions] == [
        ("list of other pages", "install"),
        ("a file that is included", "/etc/hostname"),
    ]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b"", "empty file"), (b".. a comment\n", "only comments and indexes"), (b"\xff", "not UTF-8")],
)
def test_what_has_no_text_is_rejected(raw: bytes, reason: str) -> None:
    assert reason_of(raw, "rst").startswith(reason)
