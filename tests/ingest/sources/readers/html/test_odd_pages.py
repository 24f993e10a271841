"""Malformed pages are read as far as they are text, and never end a run."""

import io
import random

import pytest

from leafsearch.ingest import Document, Rejected
from leafsearch.ingest.sources.readers import Whole
from leafsearch.ingest.sources.readers.html import read_html, to_markdown

pytest.importorskip("trafilatura", reason="needs the extra [formats]")

TAGS = """
    table tr td th caption ul li dl dt dd p div h1 h2 h3 pre code a section article main nav header
    footer aside sup sub math span b br hr img figure figcaption blockquote details summary body
    html head script style svg form button select option template center font thead tbody colgroup
    col listing xmp plaintext textarea title noscript iframe ruby rt x-y
"""
ATTRIBUTES = ("", " href=#x", " id=y", " hidden", " class=toc", " class=sidebar", " colspan=9")
TEXTS = ("word ", "# x", "|", "&amp;", "\n", "1. ", "&#1;", "&#xffff;", "\x0c", "\x00", "\\[", "¶")


@pytest.mark.parametrize("seed", range(300))
def test_any_sequence_of_tags_is_read_or_rejected_with_a_reason(seed: int) -> None:
    choose = random.Random(seed)
    names = TAGS.split()
    head = choose.choice(("", '<meta property="og:type" content="article">'))
    parts = (
        choose.choice(
            (
                f"<{choose.choice(names)}{choose.choice(ATTRIBUTES)}>",
                f"</{choose.choice(names)}>",
                choose.choice(TEXTS),
                "A sentence that is long enough to count as running text, it is.",
            )
        )
        for _ in range(choose.randint(3, 120))
    )
    page = head + "".join(parts)

    (found,) = read_html(io.BytesIO(page.encode()), Whole("f.html", "f.html"))

    assert isinstance(found, Document) or (isinstance(found, Rejected) and found.reason)
    to_markdown(page)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a&#1;b", "a b"),
        ("a&#x1F;b", "a b"),
        ("a&#xffff;b", "a b"),
        ("a&#12b", "a b"),
        ("a\x0cb", "a b"),
        ("a&#65;b", "aAb"),
        ("a&#128;b", "a€b"),
        ("a&#99999999999999999999;b", "a b"),
    ],
)
def test_characters_that_are_no_text_become_blanks(html: str, text: str) -> None:
    assert to_markdown(f"<p>{html}</p>") == text


def test_an_empty_row_is_no_row() -> None:
    html = "<table><tr><th>A</th><th>B</th></tr><tr></tr><tr><td>1</td><td>2</td></tr><tr></table>"

    assert to_markdown(html) == "| A | B |\n| --- | --- |\n| 1 | 2 |"


@pytest.mark.parametrize("element", ["main", "article", "section", "header", "nav-bar", "figure"])
@pytest.mark.parametrize("before", ["", "<!doctype html>", "<meta charset=utf-8>", "<html>"])
def test_a_page_without_head_and_body_tags_is_read_whatever_its_first_element_is(
    element: str, before: str
) -> None:
    """Both tags may be left out, as the standard says."""
    page = f"{before}<title>Pumps</title><{element}><h1>Greasing</h1><p>Few words.</p></{element}>"

    (found,) = read_html(io.BytesIO(f"{page}<p>After it.</p>".encode()), Whole("f", "f"))

    assert isinstance(found, Document), found
    left_out = " ".join(part.text for part in found.omissions)
    assert found.text.startswith("# Greasing\n\nFew words.")
    assert "After it." in f"{found.text} {left_out}"  # outside of a main part it may go
    assert found.title == "Pumps"
