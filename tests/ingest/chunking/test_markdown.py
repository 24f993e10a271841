"""Where Markdown may be cut, and the headings that go before a chunk."""

import time
from typing import Any

import pytest

from leafsearch.ingest import Chunker, Document
from leafsearch.ingest.chunking.borders import Heading, parse_heading, split_spans
from leafsearch.ingest.chunking.chunk import Chunk, same_vector
from leafsearch.vectors import load_encoder

TOKENIZER = load_encoder("hashing:64").tokenizer
WORDS = "some words here " * 5


def cut(text: str, title: str = "", tokens: int = 48, **options: Any) -> list[Chunk]:
    chunker = Chunker(TOKENIZER, max_tokens=512, tokens=tokens, **{"overlap": 0, **options})
    return chunker.split(Document("d", text, title))


def cut_pieces(text: str) -> list[str]:
    return [text[span.start : span.end] for span in split_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three", ["One. ", "Two! ", "Three"]),
        ("# 1. A heading. All of it\nText", ["# 1. A heading. All of it\n", "Text"]),
        ("Text\n## B\n\n\nMore", ["Text\n", "## B\n\n\n", "More"]),
        ("Title\n=====\nText", ["Title\n=====\n", "Text"]),
        ("- a\n* b\n+ c\n1. d\n2) e", ["- a\n", "* b\n", "+ c\n", "1. d\n", "2) e"]),
        ("A.\n```\n# no\n\nx. y\n```\nB.", ["A.\n", "```\n# no\n\nx. y\n```\n", "B."]),
        ("~~~~\n~~~\na. b\n~~~~~\nB.", ["~~~~\n~~~\na. b\n~~~~~\n", "B."]),
        ("```\nnot. closed", ["```\nnot. ", "closed"]),
        ("A.\n\n|a|b|\n|-|-|\n|c. d|e|\n\nB.", ["A.\n\n", "|a|b|\n|-|-|\n|c. d|e|\n\n", "B."]),
        ("a | b\n--|--\nc. d | e\nB. C", ["a | b\n--|--\nc. d | e\n", "B. ", "C"]),
        ("---\na: b. c\n---\nB. C", ["---\na: b. c\n---\n", "B. ", "C"]),
        ("a | b. c", ["a | b. ", "c"]),
    ],
)
def test_a_text_is_cut_at_its_borders(text: str, expected: list[str]) -> None:
    assert cut_pieces(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# A  title #\n", Heading(1, "A title")),
        ("###### Deep\n\n", Heading(6, "Deep")),
        ("Under\n====\n", Heading(1, "Under")),
        ("Under\n----\n", Heading(2, "Under")),
        ("Under\n~~~~\n", Heading(3, "Under")),
        ("# \n", Heading(1, "")),
        ("# About C#\n", Heading(1, "About C#")),
        ("# a" + " " * 20_000 + "b\n", Heading(1, "a b")),
        ("# a" + " " * 20_000 + "b\nText", None),
        ("#hashtag\n", None),
        ("####### seven\n", None),
        ("# A title\nText", None),
        ("Text\n", None),
    ],
)
def test_headings_are_known_by_level_and_text(text: str, expected: Heading | None) -> None:
    assert parse_heading(text, 0, len(text)) == expected


@pytest.mark.parametrize(
    "block",
    [
        "```python\n# a comment. And more\n\nfor x in y:\n    pass\n```",
        "| name | size |\n|---|---|\n| ash. Bay | 12 |\n| elm. Oak | 13 |",
    ],
)
def test_code_and_tables_that_fit_are_never_torn(block: str) -> None:
    for before in range(0, 40, 3):
        text = f"{'word ' * before}.\n\n{block}\n\n{WORDS}."

        chunks = [c.text for c in cut(text)]

        assert any(block in chunk for chunk in chunks), chunks


def test_code_that_is_too_long_is_cut_between_lines() -> None:
    lines = [f"call(number={n}, name='x. y')" for n in range(40)]
    text = "\n".join(["```", *lines, "```"])

    chunks = [c.text for c in cut(text)]

    assert len(chunks) > 5
    assert "\n".join(chunks) == text


def test_the_rows_of_a_table_that_is_too_long_stay_whole() -> None:
    rows = ["| name | text |", "|---|---|", *(f"| n{n} | A row. Of words |" for n in range(40))]

    chunks = [c.text for c in cut("\n".join(rows))]

    assert "\n".join(chunks).split("\n") == rows


GUIDE = f"""# Guide

{WORDS}.

## Install

{WORDS}.

### Linux

{WORDS}. {WORDS}. {WORDS}. {WORDS}.

## Use

{WORDS}. {WORDS}. {WORDS}.
"""


def test_each_chunk_is_encoded_behind_the_headings_it_stands_under() -> None:
    chunks = cut(GUIDE, heading_trail=True)

    found = [(c.trail, c.text.split("\n")[0][:9]) for c in chunks]
    assert found[0] == ("", "# Guide")
    assert ("Guide > Install", "### Linux") in found
    assert ("Guide > Install > Linux", "some word") in found
    assert ("Guide", "## Use") in found
    assert ("Guide > Use", "some word") in found
    for chunk in chunks:
        assert chunk.encoded_text == f"{chunk.trail} {chunk.text}".strip()
        assert len(TOKENIZER.encode(chunk.encoded_text)) <= 48


def test_the_trail_is_part_of_what_is_encoded_and_not_of_what_is_stored() -> None:
    with_trail, without = cut(GUIDE, heading_trail=True)[-1], cut(GUIDE)[-1]

    assert with_trail.text in GUIDE
    assert "trail" not in with_trail.fields()
    assert not same_vector(with_trail.hash, without.hash)


def test_a_title_that_is_the_first_heading_is_not_repeated() -> None:
    chunks = cut(GUIDE, title="Guide", heading_trail=True)

    assert all(c.encoded_text.count("Guide") <= 2 for c in chunks)
    assert chunks[-1].encoded_text.startswith("Guide > Use some words")
    other = cut(GUIDE, title="Manual", heading_trail=True)
    assert other[-1].encoded_text.startswith("Manual Guide > Use some words")


def test_a_long_trail_keeps_its_inner_headings() -> None:
    outer = "Outer " * 30
    text = f"# {outer}\n\n{WORDS}.\n\n## Inner\n\n{WORDS}. {WORDS}. {WORDS}. {WORDS}."

    chunks = cut(text, heading_trail=True)

    assert chunks[-1].trail == "Inner"


def test_a_piece_as_long_as_a_chunk_goes_without_a_trail() -> None:
    code = "```\n" + "\n".join(f"a{n} b c d" for n in range(9)) + "\n```"
    text = f"# One\n\n{WORDS}.\n\n## Two words\n\n{WORDS}. {WORDS}.\n\n{code}\n"

    chunks = cut(text, heading_trail=True, tokens=40)

    (whole,) = [c for c in chunks if "```" in c.text]
    assert code in whole.text


def test_comments_in_code_are_not_headings() -> None:
    text = f"# One\n\n```\n# two\n```\n\n{WORDS}. {WORDS}. {WORDS}. {WORDS}."

    assert {c.trail for c in cut(text, heading_trail=True)} == {"", "One"}


@pytest.mark.parametrize("sign", ["```\n", "~~~a\n", "|", "|-|\n", "# ", "- ", "\n", " ", "--\n"])
def test_no_text_takes_much_longer_than_its_length(sign: str) -> None:
    """Patterns that try again and again would need hours."""
    begin = time.process_time()
    for _ in split_spans("---\n" + sign * 30_000):
        pass

    assert time.process_time() - begin < 5
