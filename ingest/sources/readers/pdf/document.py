"""PDF: the text of all pages in order, with a blank line between two pages."""

from collections.abc import Iterator
from typing import Any, BinaryIO

from leafsearch.ingest.document import Place, Records, Rejected
from leafsearch.ingest.sources.files.records import MAX_TEXT, UnusableRecord
from leafsearch.ingest.sources.readers.text import Whole, as_seekable

# PDFium's output for a hyphen that breaks a word across lines.
_BROKEN = ("\ufffe\n", "\x02\n", "\ufffe", "\x02")


def read_pdf(stream: BinaryIO, whole: Whole) -> Records:
    """The library is not thread-safe, so neither is this."""
    try:
        with as_seekable(stream) as file, _opened(file) as pdf:
            title = str(pdf.get_metadata_value("Title") or "")
            yield whole.document(_text(pdf), title)
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


def _text(pdf: Any) -> str:
    pages, size = [], 0
    for page in _pages(pdf):
        pages.append(page)
        if (size := size + len(page)) > MAX_TEXT:
            raise UnusableRecord(f"text of more than {MAX_TEXT} characters")
    if not any(pages):
        raise UnusableRecord(f"no text in its {len(pages)} pages; run OCR on a scan first")
    return "\n\n".join(filter(None, pages))


def _pages(pdf: Any) -> Iterator[str]:
    import pypdfium2

    for number in range(len(pdf)):
        try:
            page = pdf[number]
            shown = page.get_textpage()
        except pypdfium2.PdfiumError as error:
            raise UnusableRecord(f"damaged PDF: page {number + 1} cannot be read") from error
        text = shown.get_text_range().replace("\r\n", "\n")
        shown.close()
        page.close()
        for sign in _BROKEN:
            text = text.replace(sign, "")
        yield text.strip()
