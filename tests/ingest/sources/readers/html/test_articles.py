"""Pages that show themselves as articles: the article without what surrounds and interrupts it."""

import io

import pytest

from leafsearch.ingest import Document
from leafsearch.ingest.sources.readers import Whole
from leafsearch.ingest.sources.readers.html import read_html

pytest.importorskip("trafilatura", reason="needs the extra [formats]")

HEAD = (
    '<!DOCTYPE html><html><head><title>Harbour opens</title><meta property="og:type" '
    'content="article"><meta property="article:published_time" content="2026-05-01"></head>'
)
LINES = [
    "The harbour opened its new lock on Monday after four years of work, two of them delayed.",
    "Forty boats waited before dawn, and the first of them passed at a quarter past six.",
    "The keeper said that the gates close within three minutes, half of what the old ones took.",
    "Fees stay as they are until the autumn, when the council decides about a new table of rates.",
    "Sailors who come at night call by radio; the number is painted on the wall of the lock.",
]
P = [f"<p>{line}</p>" for line in LINES]
MENU = "<nav><ul><li><a href=/a>Politics</a></li><li><a href=/b>Sports results</a></li></ul></nav>"
SITE = (
    "<header><a href=/>The Daily Example</a></header>{menu}<main><article><h1>Harbour opens</h1>"
    "{text}</article></main><aside><h3>Most read</h3><ul><li><a href=/1>Cat found on roof after "
    "nine days</a></li><li><a href=/2>Council votes on parking</a></li></ul></aside><footer><p>"
    "Subscribe to our newsletter.</p><a href=/c>Contact</a> <a href=/d>Imprint</a></footer>"
)


def read(text: str, head: str = HEAD) -> Document:
    page = f"{head}<body>{SITE.format(menu=MENU, text=text)}</body></html>"
    (found,) = read_html(io.BytesIO(page.encode()), Whole("f.html", "f.html"))
    assert isinstance(found, Document), found
    return found


def test_the_article_is_kept_and_its_surroundings_are_accounted_for() -> None:
    found = read("".join(P))

    assert [line for line in LINES if line not in found.text] == []
    around = ["Politics", "Sports results", "Most read", "Cat found", "Imprint", "newsletter"]
    assert [words for words in around if words in found.text] == []
    left_out = " ".join(omission.text for omission in found.omissions)
    assert [words for words in around if words not in left_out] == []
    assert found.words_left_out / found.words > 0.05


def test_headings_lists_and_tables_of_an_article_keep_their_form() -> None:
    found = read(
        f"{P[0]}{P[1]}<h2 id=fees>Fees</h2>{P[2]}<table><tr><th>Boat</th><th>Fee</th></tr><tr><td>"
        f"Dinghy</td><td>4.00</td></tr></table>{P[3]}<ul><li>Call on channel 12</li><li>Wait for "
        f"the green light</li></ul>{P[4]}"
    )

    assert "## Fees\n" in found.text
    assert "| Boat | Fee |\n| --- | --- |\n| Dinghy | 4.00 |" in found.text
    assert "- Call on channel 12\n- Wait for the green light" in found.text
    assert {"anchor": "fees"} in [dict(mark.place) for mark in found.marks]


@pytest.mark.parametrize(
    "interruption",
    [
        "<p><a href=/x>Related: Ten boats that never left the harbour</a></p>",
        "<h3><a href=/x>Ten boats that never left the harbour</a></h3>",
        "<ul><li><a href=/x>Ten boats that never left the harbour</a></li></ul>",
        "<div class=related><a href=/x>Ten boats that never left the harbour</a></div>",
    ],
)
def test_links_to_other_articles_are_no_part_of_it(interruption: str) -> None:
    found = read(f"{P[0]}{P[1]}{P[2]}{interruption}{P[3]}{P[4]}")

    assert "Ten boats" not in found.text
    assert [line for line in LINES if line not in found.text] == []


def test_signs_are_not_escaped() -> None:
    line = (
        "It costs 3 * 4 [as before] or a<b, says https://example.org/a_b_c; H<sub>2</sub>O is free."
    )

    found = read(f"{''.join(P)}<p>{line.replace('a<b', 'a&lt;b')}</p>{P[0]}")

    assert line.replace("<sub>2</sub>", "2") in found.text
    assert "\\" not in found.text


def test_several_articles_on_one_page_keep_every_heading() -> None:
    articles = "".join(
        f"<article><h2>Entry {number}</h2>{''.join(P)}<h3>More of {number}</h3>{''.join(P)}"
        f"</article>"
        for number in range(4)
    )
    page = f"{HEAD}<body>{MENU}<h1>Log of the lock</h1>{articles}</body></html>"

    (found,) = read_html(io.BytesIO(page.encode()), Whole("f.html", "f.html"))

    assert isinstance(found, Document)
    for number in range(4):
        assert f"## Entry {number}\n" in found.text
        assert f"### More of {number}\n" in found.text
    assert found.text.count(LINES[0]) == 8
    assert "Politics" not in found.text


def test_a_page_of_documentation_with_the_metadata_of_a_site_keeps_its_parts() -> None:
    """Metadata for cards alone do not make an article."""
    head = '<html><head><title>T</title><meta property="og:title" content="T"></head>'
    parts = "".join(
        f"<h2>Option {n}</h2><table><tr><td>--size-{n}</td><td>{n} MB</td></tr></table>"
        f"<dl><dt>Name {n}</dt><dd>Short.</dd></dl>"
        for n in range(30)
    )
    page = f"{head}<body>{MENU}<main><h1>Options</h1>{P[0]}{parts}</main></body></html>"

    (found,) = read_html(io.BytesIO(page.encode()), Whole("f.html", "f.html"))

    assert isinstance(found, Document)
    assert [n for n in range(30) if f"## Option {n}\n" not in found.text] == []
    assert [n for n in range(30) if f"| --size-{n} | {n} MB |" not in found.text] == []
