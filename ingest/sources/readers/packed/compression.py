"""Streams of gzip, zstd and zip, unpacked while they are read.

The first bytes tell what a stream is, not its name: text in UTF-8 begins with none of them. A
stream that is truncated or damaged yields what comes before, then the error. Only the documents of
a zip in BEIR's layout are read.
"""

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any, BinaryIO, TypeAlias

from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.formats import ZSTD, Compression, require_library

_MAGIC: dict[bytes, Compression] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_SKIPPED = b"\x2a\x4d\x18"  # after the first byte of a zstd frame without content
BUFFER = 2**18  # bytes

Buffered: TypeAlias = "io.BufferedReader[Any]"  # takes no parameter at run time
DOCUMENTS = "corpus.jsonl"
_DAMAGE = (zipfile.BadZipFile, zlib.error)


def unpack(stream: Buffered, named: Compression | None) -> Buffered:
    """`named` is the compression that the file's ending promises. Raises SourceError for other
    content."""
    first = stream.peek(4)[:4]
    found = _found(first)
    if named not in (None, found) and first:
        raise SourceError(f"is not {named}, which its ending promises")
    if found is None:
        return stream
    require_library(found)
    return io.BufferedReader(_opened(stream, found), BUFFER)


def _found(first: bytes) -> Compression | None:
    if first[1:] == _SKIPPED:
        return "zstd"
    return next((name for magic, name in _MAGIC.items() if first.startswith(magic)), None)


def _opened(stream: BinaryIO, compression: Compression) -> "UnpackedStream":
    if compression == "gzip":
        return UnpackedStream(gzip.GzipFile(fileobj=stream), "gzip", zlib.error, gzip.BadGzipFile)
    zstd: Any = import_module(ZSTD)
    return UnpackedStream(zstd.ZstdFile(stream), "zstd", zstd.ZstdError)


class UnpackedStream(io.RawIOBase):
    """Reports damage in the same way for all libraries."""

    def __init__(self, inner: Any, form: str, *damage: type[Exception]) -> None:
        self._inner = inner
        self._form = form
        self._damage = damage
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            read: int = self._inner.readinto(buffer)
        except EOFError as error:
            raise self._error("is truncated") from error
        except self._damage as error:
            raise self._error(f"is damaged ({error})") from error
        self._given += read
        return read

    def _error(self, what: str) -> SourceError:
        return SourceError(
            f"the {self._form} stream {what} after {self._given} unpacked bytes; what comes "
            "before is read"
        )


@contextmanager
def open_zipped_documents(stream: BinaryIO) -> Iterator[Buffered]:
    """The documents of a zip, unpacked while they are read. Raises SourceError."""
    try:
        packed = zipfile.ZipFile(stream)
    except zipfile.BadZipFile as error:
        raise SourceError(f"not a zip, or damaged ({error})") from error
    with packed:
        names = [n for n in packed.namelist() if PurePosixPath(n).name == DOCUMENTS]
        if len(names) != 1:
            raise SourceError(
                f"a zip with {len(names)} files called {DOCUMENTS}; expected one, as in a BEIR "
                "test collection. Unpack other zips"
            )
        try:
            member = packed.open(names[0])
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise SourceError(f"{names[0]} in it cannot be unpacked: {error}") from error
        with io.BufferedReader(UnpackedStream(member, "zip", *_DAMAGE), BUFFER) as documents:
            yield documents
