"""Formats of files, and the format that a file's name tells."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from leafsearch.ingest.errors import SourceError

Format = Literal["jsonl", "json", "csv", "tsv", "parquet", "text", "markdown", "html", "pdf"]
Compression = Literal["gzip", "zstd"]
FORMATS: tuple[str, ...] = get_args(Format)
ENDINGS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
}
COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd"}
ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
_LIBRARIES = {
    "parquet": "pyarrow",
    "html": "trafilatura",
    "pdf": "pypdfium2",
    "zstd": ZSTD,
}


def compression_of(path: Path) -> Compression | None:
    return COMPRESSIONS.get(path.suffix.lower())


def format_of(path: Path) -> Format | None:
    """The format of the ending; a compressed file's ending stands before `.gz` (`a.jsonl.gz`)."""
    inner = path.with_suffix("") if compression_of(path) else path
    return ENDINGS.get(inner.suffix.lower())


def is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def require_library(form: Format | Compression) -> None:
    """Raises SourceError if the library for this form is not installed."""
    library = _LIBRARIES.get(form)
    if library and not _is_installed(library):
        raise SourceError(f"{form} needs {library}: pip install 'leafsearch[formats]'")


def _is_installed(library: str) -> bool:
    try:
        return find_spec(library) is not None
    except ModuleNotFoundError:  # the package around a dotted name is missing
        return False
