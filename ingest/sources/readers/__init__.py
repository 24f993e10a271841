"""One generator per file format: Documents and Rejected records, in the order of the file.

`read` and `require_readable` choose the reader of a format. A reader holds little more than the
record at hand, so memory does not grow with a file's length.
"""

from typing import BinaryIO

from leafsearch.ingest.document import Records
from leafsearch.ingest.sources.files.formats import Format, require_library
from leafsearch.ingest.sources.files.records import Fields
from leafsearch.ingest.sources.readers.code import read_code
from leafsearch.ingest.sources.readers.html import read_html
from leafsearch.ingest.sources.readers.mail import read_eml, read_mbox
from leafsearch.ingest.sources.readers.markup import (
    read_asciidoc,
    read_latex,
    read_notebook,
    read_rst,
    read_subtitles,
)
from leafsearch.ingest.sources.readers.office import (
    read_docx,
    read_epub,
    read_odp,
    read_odt,
    read_pptx,
    read_rtf,
)
from leafsearch.ingest.sources.readers.pdf import read_pdf
from leafsearch.ingest.sources.readers.tables.columns import Columns
from leafsearch.ingest.sources.readers.tables.csv_rows import read_csv, require_columns
from leafsearch.ingest.sources.readers.tables.json_records import read_json, read_json_lines
from leafsearch.ingest.sources.readers.tables.parquet import read_parquet, require_parquet_column
from leafsearch.ingest.sources.readers.tables.sheets import read_sheets
from leafsearch.ingest.sources.readers.tables.workbook import require_workbook
from leafsearch.ingest.sources.readers.text import Whole, read_text

__all__ = [
    "Records",
    "Whole",
    "read",
    "read_csv",
    "read_json",
    "read_json_lines",
    "read_parquet",
    "read_text",
    "require_readable",
]

_DOCUMENTS = {
    "asciidoc": read_asciidoc,
    "code": read_code,
    "docx": read_docx,
    "eml": read_eml,
    "epub": read_epub,
    "html": read_html,
    "latex": read_latex,
    "mbox": read_mbox,
    "notebook": read_notebook,
    "odp": read_odp,
    "odt": read_odt,
    "pdf": read_pdf,
    "pptx": read_pptx,
    "rst": read_rst,
    "rtf": read_rtf,
}
_DELIMITERS: dict[str, str | None] = {"csv": None, "tsv": "\t"}  # None: the header tells


def read(
    stream: BinaryIO,
    format: Format,
    whole: Whole,
    fields: Fields,
    columns: Columns | None = None,
) -> Records:
    """`whole` names the file; `columns` tells how those of tables are read. Raises SourceError if
    the file as a whole is unreadable."""
    require_library(format)
    match format:
        case "jsonl":
            return read_json_lines(stream, whole.file, fields, whole.source, columns)
        case "json":
            return read_json(stream, whole.file, fields, whole.source, columns)
        case "csv" | "tsv":
            usual = _DELIMITERS[format]
            return read_csv(stream, whole.file, fields, usual, whole.source, columns)
        case "parquet":
            return read_parquet(stream, whole.file, fields, whole.source, columns)
        case "xlsx" | "xls" | "ods":
            return read_sheets(stream, whole, fields, columns)
        case "srt" | "vtt":
            return read_subtitles(stream, whole, format)
        case "text" | "markdown":
            return read_text(stream, whole, markdown=format == "markdown")
        case _:
            return _DOCUMENTS[format](stream, whole)


def require_readable(stream: BinaryIO, format: Format, file: str, fields: Fields) -> None:
    """Raises SourceError for problems that the beginning or the end of a file shows."""
    require_library(format)
    if format in _DELIMITERS:
        require_columns(stream, file, fields, _DELIMITERS[format])
    elif format == "parquet" and stream.seekable():
        require_parquet_column(stream, file, fields)
    elif format in ("xlsx", "xls", "ods"):
        require_workbook(stream)
