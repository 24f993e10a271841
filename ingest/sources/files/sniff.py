"""What a file without a known ending is, by its first bytes.

The answer is an ending, so that the table of formats alone decides what can be read.
"""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Sequence
from io import BufferedReader
from pathlib import PurePath

from leafsearch.ingest.sources.files.records import Fields
from leafsearch.ingest.sources.readers.charset import binary_in

HEAD = 2**16  # bytes that are looked at
_MAGIC = (
    (b"PAR1", ".parquet"),
    (b"{\\rtf", ".rtf"),
    (b"PK\x05\x06", ".zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".doc"),
)
_IN_ZIPS = (
    (b"mimetypeapplication/epub+zip", ".epub"),
    (b"mimetypeapplication/vnd.oasis.opendocument.text", ".odt"),
    (b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", ".ods"),
    (b"mimetypeapplication/vnd.oasis.opendocument.presentation", ".odp"),
    (b"word/document", ".docx"),
    (b"xl/workbook", ".xlsx"),
    (b"ppt/presentation", ".pptx"),
)
_OFFICE = b"[Content_Types].xml"
_TAR = (257, b"ustar")
_PDF_WITHIN = 1024
# None of these backtracks.
_HTML = re.compile(
    rb"(?>\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*)<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_MAIL = re.compile(
    rb"(?:From |[A-Z][\w-]*: )[^\n]*\n(?:[ \t]+[^\n]*\n|[A-Za-z][\w-]*:[^\n]*\n)++\r?\n"
)
_OF_MAIL = (b"\nFrom:", b"\nDate:", b"\nSubject:", b"\nMessage-ID:", b"\nReceived:")
_NOTEBOOK = re.compile(rb'\s*\{.*"nbformat"\s*:', re.DOTALL)
_KEY = b"-----BEGIN "
# Files that are not looked into unless they are named: text that is no document (keys,
# certificates and signatures; styles and drawings; what programs write for themselves), and what is
# binary by any name.
_NO_DOCUMENTS = frozenset(
    ending
    for group in (
        ".asc .cer .crt .csr .gpg .key .pem .pub .sig",
        ".css .less .scss .svg .lock .map .sum",
        ".bmp .gif .ico .jpeg .jpg .png .tif .tiff .webp",
        ".avi .flac .mkv .mov .mp3 .mp4 .ogg .wav",
        ".eot .otf .ttf .woff .woff2",
        ".a .bin .class .dll .exe .jar .o .pyc .so",
        ".7z .rar .db .sqlite .doc .ppt",
    )
    for ending in group.split()
)


def head_of(stream: BufferedReader) -> bytes:
    """The first bytes, which stay to be read."""
    return stream.peek(HEAD)[:HEAD]


def may_hold_text(path: PurePath) -> bool:
    """Whether a file of an unknown ending, met in a folder or an archive, is looked into."""
    return path.suffix.lower() not in _NO_DOCUMENTS


def sniff(head: bytes, fields: Fields) -> str:
    """`head`: the first bytes, unpacked. Empty for binary files of an unknown kind, and for
    keys."""
    for magic, ending in _MAGIC:
        if head.startswith(magic):
            return ending
    if head[_TAR[0] :].startswith(_TAR[1]):
        return ".tar"
    if b"%PDF-" in head[:_PDF_WITHIN]:
        return ".pdf"
    if head.startswith(b"PK\x03\x04"):
        return _in_zip(head)
    if not _is_text(head) or head.startswith(_KEY):
        return ""
    return _of_text(head, fields)


def _in_zip(head: bytes) -> str:
    named = next((ending for sign, ending in _IN_ZIPS if sign in head), ".zip")
    is_office = _OFFICE in head or named in (".epub", ".odt", ".ods", ".odp")
    return named if is_office else ".zip"


def _is_text(head: bytes) -> bool:
    if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):  # also the marks of UTF-32
        return True
    try:
        head.decode()
    except UnicodeDecodeError as error:
        # The head may end within a character.
        if error.start < len(head) - 3:
            return False
    return not binary_in(head)


def _of_text(head: bytes, fields: Fields) -> str:
    head = head.removeprefix(BOM_UTF8)
    if _HTML.match(head):
        return ".html"
    if head.startswith(b"From ") and _MAIL.match(head):
        return ".mbox"
    if (found := _MAIL.match(head)) and sum(sign in b"\n" + found[0] for sign in _OF_MAIL) >= 2:
        return ".eml"
    first = head.lstrip()[:1]
    names = [path.rpartition(".")[2].encode() for path in fields.texts]
    if first in (b"{", b"["):
        if _NOTEBOOK.match(head):
            return ".ipynb"
        if any(re.search(rb'"' + re.escape(name) + rb'"\s*:', head) for name in names):
            line = head.lstrip().partition(b"\n")[0].rstrip()
            return ".jsonl" if first == b"{" and line.endswith(b"}") else ".json"
    return _of_rows(head, fields.texts)


def _of_rows(head: bytes, texts: Sequence[str]) -> str:
    """A table only if its header has the columns of the text."""
    header = head.partition(b"\n")[0].decode(errors="replace").rstrip("\r")
    for delimiter, ending in (("\t", ".tsv"), (",", ".csv"), (";", ".csv"), ("|", ".csv")):
        columns = [name.strip().strip('"') for name in header.split(delimiter)]
        if len(columns) > 1 and set(texts) <= set(columns):
            return ending
    return ".txt"
