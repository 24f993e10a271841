"""HTML: the main text of a page, without menus and footers, with headings as in Markdown."""

import codecs
import logging
import re
from typing import BinaryIO

from leafsearch.ingest.document import Place, Records, Rejected
from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.html.clean import clean
from leafsearch.ingest.sources.readers.html.convert import convert
from leafsearch.ingest.sources.readers.html.parse import parse
from leafsearch.ingest.sources.readers.text import Whole, decode, read_limited

_LOOKED_AT = 4096  # bytes in which a page declares its charset; browsers stop at 1024
_CHARSET = re.compile(
    rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w.:-]+) | <\?xml[^>]+encoding\s*=\s*[\"']([\w.:-]+)",
    re.IGNORECASE | re.VERBOSE,
)
_XML = re.compile(r"\A\s*<\?xml[^>]*\?>")
_ROOT = re.compile(r"<(?:html|body)\b", re.IGNORECASE)
# Browsers read these names as larger charsets.
_MEANT = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
}


def read_html(stream: BinaryIO, whole: Whole) -> Records:
    """The page's `<title>` is the title."""
    try:
        raw = read_limited(stream)
        page = _XML.sub("", _decoded(raw))
        yield whole.document(_main_text(page), _title(page))
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))


def to_markdown(html: str) -> str:
    """All text of a piece of HTML that has no menus, such as an e-mail or a chapter of a book.

    Raises UnusableRecord if it has too many elements.
    """
    root = parse(html)
    clean(root)
    return convert(root, with_anchors=False).text


def _decoded(raw: bytes) -> str:
    charset = _charset(raw)
    try:
        return decode(raw, charset or "utf-8")
    except UnusableRecord as error:
        if charset is None:
            raise UnusableRecord(f"{error}, and the page declares no charset") from error
        raise


def _charset(raw: bytes) -> str | None:
    declared = _CHARSET.search(raw, 0, _LOOKED_AT)
    if declared is None:
        return None
    name = (declared[1] or declared[2]).decode("ascii", "replace")
    try:
        known = codecs.lookup(name).name
    except LookupError as error:
        raise UnusableRecord(f"declares an unknown charset {name!r}") from error
    # A page whose declaration could be read as ASCII is in neither of these charsets.
    return "utf-8" if known.startswith(("utf-16", "utf-32")) else _MEANT.get(known, known)


def _main_text(page: str) -> str:
    import trafilatura

    if not page.strip():
        return ""
    # The reason of the reject says what trafilatura would log.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    if not _ROOT.search(page):
        page = f"<html><body>{page}</body></html>"
    kept = trafilatura.extract(
        page,
        output_format="markdown",
        include_comments=False,
        include_tables=True,
        favor_recall=True,
        with_metadata=False,
    )
    if text := kept or trafilatura.html2txt(page):
        return text
    raise UnusableRecord("no text in this page")


def _title(page: str) -> str:
    from lxml import html
    from lxml.etree import LxmlError

    try:
        found = html.fromstring(page).findtext(".//title") or ""
    except (LxmlError, ValueError):
        return ""
    return " ".join(found.split())
