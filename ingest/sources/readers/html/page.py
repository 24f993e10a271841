"""HTML: the main text of a page, without menus and footers, with headings as in Markdown."""

import codecs
import re
from typing import Any, BinaryIO

from leafsearch.ingest.document import Place, Records, Rejected
from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.html.clean import clean
from leafsearch.ingest.sources.readers.html.convert import convert
from leafsearch.ingest.sources.readers.html.extract import extract
from leafsearch.ingest.sources.readers.html.parse import parse
from leafsearch.ingest.sources.readers.text import Whole, decode, read_limited

_LOOKED_AT = 4096  # bytes in which a page declares its charset; browsers stop at 1024
_CHARSET = re.compile(
    rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w.:-]+) | <\?xml[^>]+encoding\s*=\s*[\"']([\w.:-]+)",
    re.IGNORECASE | re.VERBOSE,
)
_XML = re.compile(r"\A\s*<\?xml[^>]*\?>")
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
        root = parse(page)
        title = _title(root)
        found = extract(root)
        if page.strip() and not found.text:
            raise UnusableRecord("no text in this page")
        yield whole.document(
            found.text,
            title,
            marks=found.marks,
            omissions=found.omissions,
            words=found.words,
        )
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


def _title(root: Any) -> str:
    found = root.findtext(".//title") or ""
    return " ".join(found.split())
