"""Notebooks of versions 3 and 4: cells in order, outputs in bounds."""

import json
from typing import Any

import pytest

from leaftests.reading import read_one, reason_of

pytest.importorskip("html_to_markdown", reason="needs the extra [formats]")


def notebook(*cells: dict[str, Any], **metadata: Any) -> bytes:
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4}).encode()


def code(source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": source.splitlines(True), "outputs": outputs}


def test_cells_stand_in_their_order_with_their_kind() -> None:
    raw = notebook(
        {"cell_type": "markdown", "source": "# Pumps\n![x](attachment:a.png) words"},
        code("x = 1\nx", {"output_type": "execute_result", "data": {"text/plain": ["1"]}}),
        {"cell_type": "raw", "source": "raw words"},
        kernelspec={"language": "R"},
    )
    found = read_one(raw, "notebook")

    assert found.title == "Pumps"
    assert found.text == (
        "# Pumps\nx words\n\n```r\nx = 1\nx\n```\n\nOutput:\n\n```\n1\n```\n\n```\nraw words\n```"
    )


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"output_type": "stream", "text": ["a\n", "b"]}, "a\nb"),
        (
            {"output_type": "error", "ename": "KeyError", "evalue": "\x1b[31m'x'\x1b[0m"},
            "KeyError: 'x'",
        ),
        ({"output_type": "display_data", "data": {"image/png": "AAAA"}}, ""),
        ({"data": {"text/html": "<table><tr><td>h</td></tr></table>", "text/plain": "t"}}, "t"),
        ({"data": {"text/html": "<p>only html</p>"}}, "only html"),
    ],
)
def test_the_text_of_an_output_is_kept(output: dict[str, Any], expected: str) -> None:
    text = read_one(notebook(code("run()", output)), "notebook").text

    assert text == "```python\nrun()\n```" + (
        f"\n\nOutput:\n\n```\n{expected}\n```" if expected else ""
    )


def test_of_a_long_output_the_beginning_is_kept_and_the_rest_reported() -> None:
    raw = notebook(code("run()", {"output_type": "stream", "text": "line of output\n" * 1_000}))
    found = read_one(raw, "notebook")

    assert len(found.text) < 2_100
    assert [o.reason for o in found.omissions] == ["the rest of a long output"]
    assert found.words_left_out > 2_500


def test_version_3_is_read() -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Old"]},
        {"cell_type": "code", "input": ["y = 2"], "outputs": [{"text": ["2"]}]},
    ]
    raw = json.dumps({"worksheets": [{"cells": cells}], "nbformat": 3}).encode()

    assert read_one(raw, "notebook").text == (
        "## Old\n\n```python\ny = 2\n```\n\nOutput:\n\n```\n2\n```"
    )


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty file"),
        (b"{", "not a notebook, or a damaged one"),
        (b"[]", "JSON, but not a notebook"),
        (b'{"a": 1}', "JSON, but not a notebook"),
        (notebook(), "a notebook whose cells are all empty"),
        (b"[" * 100_000, "not a notebook, or a damaged one"),
    ],
)
def test_what_is_no_notebook_is_rejected(raw: bytes, reason: str) -> None:
    assert reason_of(raw, "notebook").startswith(reason)
