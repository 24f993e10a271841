"""PDF: the text of all pages in reading order, with a blank line between two pages.

PDFium reads the letters. On top of it: columns and tables (`layout`), running heads
(`running_heads`), headings by the outline (`outline`). Libraries that do all of it were tried on
Debian's manuals and on papers in two columns: pdf_oxide keeps 92 % of the words of Chinese and
Japanese books, because it sets blanks into them, and takes three times as long.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, BinaryIO

from leafsearch.ingest.document import Mark, Place, Records, Rejected
from leafsearch.ingest.sources.files.records import MAX_TEXT, UnusableRecord
from leafsearch.ingest.sources.readers.pdf.fields import add_values
from leafsearch.ingest.sources.readers.pdf.layout import lay_out
from leafsearch.ingest.sources.readers.pdf.lines import (
    HYPHENS,
    Row,
    join_bullets,
    read_rows,
)
from leafsearch.ingest.sources.readers.pdf.outline import mark_headings, read_outline
from leafsearch.ingest.sources.readers.pdf.rules import read_rules
from leafsearch.ingest.sources.readers.pdf.running_heads import RunningHeads
from leafsearch.ingest.sources.readers.text import Whole, as_seekable

_UNREADABLE = 0.3  # of a page's letters, which no font tells the meaning of
_SOFT_HYPHEN = re.compile(r"(?<=[^\W\d_])[\u2010\u00ad]\n(?=[^\W\d_])")
_PRIVATE = range(0xE000, 0xF900)


def read_pdf(stream: BinaryIO, whole: Whole) -> Records:
    """The library is not thread-safe, so neither is this."""
    try:
        with as_seekable(stream) as file, closing(_opened(file)) as pdf:
            title = str(pdf.get_metadata_value("Title") or "")
            read = _Read(pdf)
            text, marks = read.joined()
            yield whole.document(
                text,
                title,
                marks=marks,
                omissions=read.omissions,
                words=len(text.split()) + sum(part.words for part in read.omissions),
                notes=list(read.notes()),
            )
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))


def _opened(file: Any) -> Any:
    import pypdfium2
    from pypdfium2 import raw

    if not file.read(1):
        raise UnusableRecord("empty file")
    file.seek(0)
    try:
        return pypdfium2.PdfDocument(file)
    except pypdfium2.PdfiumError as error:
        if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise UnusableRecord("encrypted PDF; expected one that opens without a password") from (
                error
            )
        raise UnusableRecord("not a PDF, or a damaged one") from error


class _Read:
    """The text of a PDF; the numbers of pages count from 1."""

    def __init__(self, pdf: Any) -> None:
        """Raises UnusableRecord."""
        self._pdf = pdf
        self._scanned: list[int] = []
        self._empty: list[int] = []
        self._unreadable: list[int] = []
        heads, pages = RunningHeads(), list[list[Row]]()
        size = 0
        for number in range(1, len(pdf) + 1):
            rows, (bottom, top) = self._read(number)
            heads.look_at(rows, bottom, top)
            pages.append(rows)
            size += sum(len(row.text) for row in rows)
            if size > MAX_TEXT:
                raise UnusableRecord(f"text of more than {MAX_TEXT} characters")
        if not size:
            raise UnusableRecord(f"no text in its {len(pdf)} pages; run OCR on a scan first")
        self.omissions = heads.drop(pages)
        self._pages = [list(lay_out(rows)) for rows in pages]
        for page, titles in read_outline(pdf).items():
            if page < len(self._pages):
                mark_headings(self._pages[page], titles)

    def joined(self) -> tuple[str, Sequence[Mark]]:
        """The text, and where in it each page begins."""
        text: list[str] = []
        marks, size = [], 0
        for number, lines in enumerate(self._pages, start=1):
            if page := _join(lines):
                marks.append(Mark(size, {"page": number}))
                text.append(page)
                size += len(page) + 2
        return "\n\n".join(text), marks

    def notes(self) -> Iterator[str]:
        if self._scanned:
            yield f"{_named(self._scanned)} without text; run OCR on scans to find their words"
        if self._empty:
            yield f"{_named(self._empty)} empty"
        if self._unreadable:
            yield (
                f"{_named(self._unreadable)} left out: the fonts do not tell which letters they "
                "show; run OCR on them"
            )

    def _read(self, number: int) -> tuple[list[Row], tuple[float, float]]:
        """The rows of a page, and where it ends below and above."""
        import pypdfium2

        try:
            page = self._pdf[number - 1]
            shown = page.get_textpage()
        except pypdfium2.PdfiumError as error:
            raise UnusableRecord(f"damaged PDF: page {number} cannot be read") from error
        with closing(page), closing(shown):
            rows = join_bullets(list(read_rows(shown, read_rules(page))))
            rows = add_values(rows, self._pdf, page, number - 1)
            if page.get_rotation():  # rows are not horizontal there
                rows = [Row([segment]) for row in rows for segment in row.segments]
            text = "".join(row.text for row in rows)
            if not text:
                (self._scanned if _has_image(page) else self._empty).append(number)
            elif _is_unreadable(text):
                self._unreadable.append(number)
                rows = []
            _, bottom, _, top = page.get_cropbox()
            return rows, (bottom, top)


def _has_image(page: Any) -> bool:
    from pypdfium2 import raw

    return any(True for _ in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3))


def _is_unreadable(text: str) -> bool:
    letters = [sign for sign in text if not sign.isspace()]
    lost = sum(sign == "\ufffd" or ord(sign) in _PRIVATE for sign in letters)
    return lost > _UNREADABLE * len(letters)


def _join(lines: Sequence[str]) -> str:
    """The lines of a page, without blank lines at its ends and more than one in a row."""
    text = "\n".join(lines)
    for sign in HYPHENS:  # with the line end after it, then within a line
        text = text.replace(f"{sign}\n", "").replace(sign, "")
    text = _SOFT_HYPHEN.sub("", text)
    kept: list[str] = []
    for line in text.split("\n"):
        before = kept[-1][:1] if kept else ""
        if before and before != line[:1] and (before == "|" or line[:1] in ("#", "|")):
            kept.append("")
        if line or (kept and kept[-1]):
            kept.append(line.rstrip())
        if line.startswith("#"):
            kept.append("")
    return "\n".join(kept).strip()


def _named(pages: Sequence[int]) -> str:
    """`page 3 is`, or `pages 3, 5-8 are`."""
    spans: list[list[int]] = []
    for page in pages:
        if spans and page == spans[-1][1] + 1:
            spans[-1][1] = page
        else:
            spans.append([page, page])
    named = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
    return f"page {named} is" if len(pages) == 1 else f"pages {named} are"
