"""Formats of files, and the format that a file's name tells."""

import os
import sys
from importlib.util import find_spec
from pathlib import PurePath
from typing import Literal, get_args

from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.programs import BY_ENDING

Format = Literal[
    "jsonl",
    "json",
    "csv",
    "tsv",
    "parquet",
    "xlsx",
    "xls",
    "ods",
    "text",
    "markdown",
    "html",
    "pdf",
    "docx",
    "pptx",
    "odt",
    "odp",
    "epub",
    "rtf",
    "rst",
    "asciidoc",
    "latex",
    "notebook",
    "eml",
    "mbox",
    "srt",
    "vtt",
    "code",
]
Compression = Literal["gzip", "zstd", "bzip2", "xz", "deflate"]
FORMATS: tuple[str, ...] = get_args(Format)
ENDINGS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    **dict.fromkeys((".xlsx", ".xlsm", ".xltx", ".xltm", ".xlsb"), "xlsx"),
    ".xls": "xls",
    ".ods": "ods",
    ".ots": "ods",
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".docm": "docx",
    ".dotx": "docx",
    ".pptx": "pptx",
    ".pptm": "pptx",
    ".ppsx": "pptx",
    ".odt": "odt",
    ".ott": "odt",
    ".odp": "odp",
    ".epub": "epub",
    ".rtf": "rtf",
    ".rst": "rst",
    ".rest": "rst",
    ".adoc": "asciidoc",
    ".asciidoc": "asciidoc",
    ".tex": "latex",
    ".ltx": "latex",
    ".ipynb": "notebook",
    ".eml": "eml",
    ".mbox": "mbox",
    ".srt": "srt",
    ".vtt": "vtt",
}
# For messages, without the many endings of source code.
SHOWN_ENDINGS = (*ENDINGS, "or of source code, such as .py")
ENDINGS |= dict.fromkeys(BY_ENDING, "code")
# Binary formats that are read once they are converted.
OLD_ENDINGS = {
    ".doc": "docx",
    ".dot": "docx",
    ".ppt": "pptx",
    ".pps": "pptx",
}
COMPRESSIONS: dict[str, Compression] = {
    ".gz": "gzip",
    ".zst": "zstd",
    ".bz2": "bzip2",
    ".xz": "xz",
}
ARCHIVES = (".zip", ".tar")
# Names of hidden files, and of those by which Office marks a document as open.
HIDDEN = (".", "~$")
_PACKED_TARS: dict[str, Compression] = {
    ".tgz": "gzip",
    ".tzst": "zstd",
    ".tbz2": "bzip2",
    ".tbz": "bzip2",
    ".txz": "xz",
}
ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
_LIBRARIES = {
    "parquet": "pyarrow",
    **dict.fromkeys(("xlsx", "xls", "ods"), "python_calamine"),
    "html": "trafilatura",
    "pdf": "pypdfium2",
    **dict.fromkeys(("docx", "pptx", "odt", "odp"), "lxml"),
    **dict.fromkeys(("epub", "eml", "mbox", "notebook"), "html_to_markdown"),
    "rst": "docutils",
    "latex": "pylatexenc",
    "code": "tree_sitter",
    "zstd": ZSTD,
}


def compression_of(path: PurePath) -> Compression | None:
    ending = path.suffix.lower()
    return COMPRESSIONS.get(ending) or _PACKED_TARS.get(ending)


def format_of(path: PurePath) -> Format | None:
    """The format of the ending; a compressed file's ending stands before `.gz` (`a.jsonl.gz`)."""
    return ENDINGS.get(inner_ending(path))


def inner_ending(path: PurePath) -> str:
    """The ending that tells what is in a file, without that of its compression; in small
    letters."""
    return _inner_ending(path.name)


def old_format(path: PurePath) -> str | None:
    """What a file in an old binary format can be converted to."""
    return OLD_ENDINGS.get(path.suffix.lower())


def is_archive(path: str) -> bool:
    return _inner_ending(path) in ARCHIVES


def _inner_ending(name: str) -> str:
    root, ending = os.path.splitext(name.lower())
    if ending in COMPRESSIONS:
        return os.path.splitext(root)[1]
    return ".tar" if ending in _PACKED_TARS else ending


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
