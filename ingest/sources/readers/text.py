"""Files that are one document each: how they are read and decoded, and the reader of plain text."""

import re
import tempfile
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any, BinaryIO

from leafsearch.config.text import quote
from leafsearch.ingest.document import Document, Mark, Omission, Place, Records, Rejected
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.records import MAX_TEXT, Fields, UnusableRecord, to_document
from leafsearch.ingest.sources.readers.charset import binary_in, undecodable

_MAX_COPIED = 4 * 2**30  # bytes of a file that is unpacked onto the disk
_STEP = 2**20
# UTF-32 before UTF-16, because their marks begin alike.
_BOMS = (
    (BOM_UTF8, "utf-8-sig"),
    (BOM_UTF32_LE, "utf-32"),
    (BOM_UTF32_BE, "utf-32"),
    (BOM_UTF16_LE, "utf-16"),
    (BOM_UTF16_BE, "utf-16"),
)
_TITLE = re.compile(r"^#[ \t]+([^\n]*)$", re.MULTILINE)
_CLOSING = re.compile(r"(?:^|[ \t])#+$")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Whole:
    """A file that is one document: `file` in messages, `id` and `source` of the document."""

    file: str
    id: str
    source: str = ""

    def document(
        self,
        text: str,
        title: str = "",
        *,
        marks: Sequence[Mark] = (),
        has_lines: bool = False,
        is_code: bool = False,
        cuts: Sequence[int] = (),
        omissions: Sequence[Omission] = (),
        words: int = 0,
        notes: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> Document:
        """See Document; `metadata` joins the path. Raises UnusableRecord."""
        if not text.strip():
            raise UnusableRecord("empty file")
        own = {"id": self.id, "text": text, "title": title.strip(), "path": self.id}
        found = to_document({**(metadata or {}), **own}, Fields(), Place(self.file), self.source)
        return replace(
            found,
            marks=marks,
            has_lines=has_lines,
            is_code=is_code,
            cuts=cuts,
            omissions=omissions,
            words=words,
            notes=notes,
        )


def read_limited(stream: BinaryIO) -> bytes:
    """The whole content. Raises UnusableRecord if it exceeds the limit of one document."""
    raw = stream.read(MAX_TEXT + 1)
    if len(raw) > MAX_TEXT:
        raise UnusableRecord(f"file of more than {MAX_TEXT:,} bytes; split it into several")
    return raw


def decode(raw: bytes, charset: str = "utf-8") -> str:
    """Decode by the byte order mark, else in `charset`. Raises UnusableRecord with the position,
    also for what decodes and is no text."""
    marked = next((name for bom, name in _BOMS if raw.startswith(bom)), "")
    try:
        text = raw.decode(marked or charset).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        name = error.encoding.upper()
        is_plain = not marked and name == "UTF-8"
        reason = undecodable(raw, error.start) if is_plain else f"not {name} at byte {error.start}"
        raise UnusableRecord(reason) from error
    except (UnicodeError, LookupError) as error:
        # Python has codecs that are not charsets ("undefined") or not for text ("hex").
        raise UnusableRecord(f"cannot be read as {quote(charset)}") from error
    if reason := binary_in(text.encode("utf-8", "replace") if marked else raw):
        raise UnusableRecord(reason)
    return text


@contextmanager
def as_seekable(stream: BinaryIO) -> Iterator[IO[bytes]]:
    """The stream, or if it cannot seek a copy on disk, deleted on close."""
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        size = 0
        while part := stream.read(_STEP):
            if (size := size + len(part)) > _MAX_COPIED:
                raise SourceError(f"more than {_MAX_COPIED} unpacked bytes; unpack it first")
            copy.write(part)
        copy.seek(0)
        yield copy


def read_text(stream: BinaryIO, whole: Whole, *, markdown: bool) -> Records:
    """A Markdown file's first `#` heading is its title."""
    try:
        text = decode(read_limited(stream))
        yield whole.document(text, _title(text) if markdown else "", has_lines=True)
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))


def _title(text: str) -> str:
    """The first level-1 heading with text."""
    for heading in _TITLE.finditer(_FENCE.sub("", text)):
        if title := _CLOSING.sub("", heading[1].strip()).strip():
            return title
    return ""
