"""Pages: their main text with its headings, in whatever charset they declare."""

import io
from pathlib import Path

import pytest

from leafsearch.ingest import Corpus, Document, Rejected
from leafsearch.ingest.sources.readers import Whole
from leafsearch.ingest.sources.readers.html import read_html, to_markdown

pytest.importorskip("trafilatura", reason="needs the extra [formats]")

PAGE = """<!doctype html><html><head><meta charset="{charset}"><title>Café  guide\n</title></head>
<body><nav><a href="/">Home</a> <a href="/all">All pages</a></nav><main>
<h1>Café guide</h1><p>An introduction with <b>bold</b> words, long enough to be one.</p>
<h2>Install</h2><p>Run this, which everything else needs.</p>
<pre><code># no heading
pip install it</code></pre><ul><li>One</li><li>Two</li></ul>
<table><tr><th>name</th><th>size</th></tr><tr><td>ash</td><td>12</td></tr></table>
</main><footer>Copyright by Example</footer></body></html>"""


def read(raw: bytes) -> Document | Rejected:
    (found,) = read_html(io.BytesIO(raw), Whole("f", "folder/page.html", "folder"))
    return found


def page(raw: bytes) -> Document:
    found = read(raw)
    assert isinstance(found, Document), found
    return found


def test_the_main_text_is_kept_with_its_headings_code_lists_and_tables() -> None:
    found = page(PAGE.format(charset="utf-8").encode())

    assert (found.id, found.title, found.source) == ("folder/page.html", "Café guide", "folder")
    assert found.metadata == {"title": "Café guide", "path": "folder/page.html"}
    for expected in (
        "# Café guide\n",
        "## Install\n",
        "```\n# no heading\npip install it\n```",
        "- One\n",
        "| name | size |",
    ):
        assert expected in found.text
    assert "All pages" not in found.text
    assert "Copyright" not in found.text


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-8", "windows-1252", "mac-roman"])
def test_the_charset_is_the_one_that_the_page_declares(charset: str) -> None:
    text = page(PAGE.format(charset=charset).encode(charset)).text

    assert text == page(PAGE.format(charset="utf-8").encode()).text


@pytest.mark.parametrize(
    "raw",
    [
        b'<?xml version="1.0" encoding="ISO-8859-1"?><html><body><p>caf\xe9 \x80</p></body></html>',
        b"<meta http-equiv='Content-Type' content='text/html; charset=latin1'><p>caf\xe9 \x80</p>",
        "<meta charset=latin1><p>café €</p>".encode("utf-8-sig"),
        "<meta charset=utf-16><p>café €</p>".encode("utf-16"),
        "<meta charset=utf-16><p>café €</p>".encode(),
        "<p>café €</p>".encode("utf-32"),
        b"<p>caf&eacute; &#8364;</p>",
    ],
)
def test_other_ways_to_say_it_are_understood(raw: bytes) -> None:
    """A byte order mark comes first, and Latin-1 is read as browsers do."""
    assert page(raw).text == "café €"


def test_a_page_in_another_charset_that_declares_none_is_rejected() -> None:
    rejected = read(b"<p>caf\xe9</p>")

    assert isinstance(rejected, Rejected)
    assert rejected.reason.startswith("not UTF-8 at byte 6")
    assert rejected.reason.endswith("and the page declares no charset")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "empty file"),
        (b" \n", "empty file"),
        (b"<html><body></body></html>", "no text in this page"),
        (b"<body><script>let x = 1</script></body>", "no text in this page"),
        (b"<meta charset=nonsense><p>T</p>", "declares an unknown charset 'nonsense'"),
        (b"<meta charset=euc-jp><p>\xff</p>", "not EUC_JP at byte 24"),
        (b"<meta charset=hex><p>T</p>", "cannot be read as 'hex'"),
        (b"<meta charset=undefined><p>T</p>", "cannot be read as 'undefined'"),
    ],
)
def test_a_page_that_cannot_be_used_is_rejected(raw: bytes, expected: str) -> None:
    rejected = read(raw)

    assert isinstance(rejected, Rejected)
    assert rejected.reason == expected


def test_nothing_is_logged_of_a_page_without_text(capfd: pytest.CaptureFixture[str]) -> None:
    read(b"<html></html>")

    assert capfd.readouterr() == ("", "")


def test_pages_in_folders_are_read() -> None:
    Path("site").mkdir()
    for name in ("a.html", "b.htm", "c.xhtml"):
        Path("site", name).write_text("<p>Text</p>")

    found = [r for r in Corpus(["site"]).records() if isinstance(r, Document)]

    assert [d.id for d in found] == ["site/a.html", "site/b.htm", "site/c.xhtml"]


@pytest.mark.parametrize("sign", ["\x01", "\x1f", "&#1;", "&#x0B;", "&#31", "&#xFFFF;", "\ufffe"])
def test_signs_that_xml_does_not_allow_are_left_out(sign: str) -> None:
    assert to_markdown(f"<p>a{sign} b</p>") == "a b"
    assert to_markdown("<p>&#9;a&#65;&#128;</p>") == "aA€"
