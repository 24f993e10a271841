"""Which reader reads which format."""

from typing import BinaryIO

from leafsearch.ingest.sources.files.formats import Format, demand_library
from leafsearch.ingest.sources.files.records import Fields
from leafsearch.ingest.sources.readers.csv_rows import demand_columns, read_csv
from leafsearch.ingest.sources.readers.html import read_html
from leafsearch.ingest.sources.readers.json_array import read_json
from leafsearch.ingest.sources.readers.json_lines import read_json_lines
from leafsearch.ingest.sources.readers.parquet import demand_parquet_column, read_parquet
from leafsearch.ingest.sources.readers.pdf import read_pdf
from leafsearch.ingest.sources.readers.records import Records
from leafsearch.ingest.sources.readers.text import read_text
from leafsearch.ingest.sources.readers.whole import Whole

_DELIMITERS: dict[str, str | None] = {"csv": None, "tsv": "\t"}  # None: the header tells


def read(stream: BinaryIO, format: Format, whole: Whole, fields: Fields) -> Records:
    """`whole` names the file. Raises SourceError for what is wrong with all of it."""
    demand_library(format)
    match format:
        case "jsonl":
            return read_json_lines(stream, whole.file, fields, whole.source)
        case "json":
            return read_json(stream, whole.file, fields, whole.source)
        case "csv" | "tsv":
            return read_csv(stream, whole.file, fields, _DELIMITERS[format], whole.source)
        case "parquet":
            return read_parquet(stream, whole.file, fields, whole.source)
        case "html":
            return read_html(stream, whole)
        case "pdf":
            return read_pdf(stream, whole)
        case "text" | "markdown":
            return read_text(stream, whole, markdown=format == "markdown")


def demand_readable(stream: BinaryIO, format: Format, file: str, fields: Fields) -> None:
    """Raises SourceError for what can be told from the beginning of a file, or its end."""
    demand_library(format)
    if format in _DELIMITERS:
        demand_columns(stream, file, fields, _DELIMITERS[format])
    elif format == "parquet" and stream.seekable():
        demand_parquet_column(stream, file, fields)
