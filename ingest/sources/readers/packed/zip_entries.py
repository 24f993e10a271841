"""The files of a zip: methods stored, deflate, bzip2, xz and zstd, without encryption.

`zipfile` reads the list of members. Their content is unpacked like that of any packed stream, so
that a damaged one gives every byte before the damage.
"""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.formats import Compression, require_library
from leafsearch.ingest.sources.readers.packed.archive import (
    ArchiveError,
    Bounds,
    Entry,
    Meter,
    clean_name,
)
from leafsearch.ingest.sources.readers.packed.compression import (
    BUFFER,
    Break,
    Buffered,
    UnpackedStream,
    break_of,
)

_STORED = 0
_METHODS: dict[int, Compression] = {8: "deflate", 12: "bzip2", 20: "zstd", 93: "zstd", 95: "xz"}
_NAMES = {1: "shrink", 6: "implode", 9: "deflate64", 14: "lzma", 98: "ppmd"}
_ENCRYPTED = 0x1
_LOCAL_HEADER, _LENGTHS = 30, 26  # bytes; where in it the lengths of name and extra field are
_UNREADABLE = (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, EOFError)


def zip_entries(stream: Any, bounds: Bounds) -> Iterator[Entry]:
    """`stream` can seek. Raises ArchiveError."""
    size = stream.seek(0, io.SEEK_END)
    infos = _infos(stream, bounds)
    meter = Meter(bounds, lambda: size)
    for info in infos:
        meter.count()
        if info.is_dir():
            continue
        is_link = stat.S_ISLNK(info.external_attr >> 16)
        yield Entry(
            clean_name(info.filename),
            partial(_opened, stream, info, meter),
            _problem(info),
            is_link,
        )


def zip_names(stream: Any, bounds: Bounds) -> list[str]:
    """Raises ArchiveError."""
    return [clean_name(info.filename) for info in _infos(stream, bounds) if not info.is_dir()]


def _infos(stream: Any, bounds: Bounds) -> list[zipfile.ZipInfo]:
    limited: Any = _Limited(stream, bounds.directory)
    try:
        with zipfile.ZipFile(limited) as packed:
            return packed.infolist()
    except _UNREADABLE as error:
        raise ArchiveError(f"not a zip, or one that is cut off or damaged ({error})") from error


class _Limited:
    """What ZipFile needs of a file. It reads the list of members at once, however long the file
    says that it is."""

    def __init__(self, stream: Any, most: int) -> None:
        self._stream = stream
        self._most = most
        self.tell = stream.tell
        self.seek = stream.seek
        self.seekable = stream.seekable

    def read(self, size: int = -1) -> bytes:
        if size > self._most:
            raise ArchiveError(
                f"lists its members in {size:,} bytes; expected at most {self._most:,}. Split it, "
                "or unpack it and give the folder"
            )
        return bytes(self._stream.read(size))


def _problem(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted; unpack the archive first"
    method = info.compress_type
    if method == _STORED:
        return ""
    if method not in _METHODS:
        named = f" ({_NAMES[method]})" if method in _NAMES else ""
        return f"is packed by method {method}{named}, which is not read; unpack the archive first"
    try:
        require_library(_METHODS[method])
    except SourceError as error:
        return str(error)
    return ""


def _opened(stream: Any, info: zipfile.ZipInfo, meter: Meter) -> Buffered:
    """Raises SourceError."""
    stream.seek(info.header_offset)
    header = stream.read(_LOCAL_HEADER)
    if len(header) < _LOCAL_HEADER or not header.startswith(b"PK\x03\x04"):
        raise SourceError(f"damaged zip: no file begins at byte {info.header_offset:,}")
    lengths = struct.unpack_from("<HH", header, _LENGTHS)
    packed = _Part(stream, info.header_offset + _LOCAL_HEADER + sum(lengths), info.compress_size)
    inner: io.RawIOBase = packed
    if info.compress_type != _STORED:
        inner = UnpackedStream(io.BufferedReader(packed, BUFFER), _METHODS[info.compress_type])
    return io.BufferedReader(_Content(inner, info, meter), BUFFER)


class _Part(io.RawIOBase):
    """The bytes of a file from `start` on, `size` of them."""

    def __init__(self, stream: Any, start: int, size: int) -> None:
        self._stream = stream
        self._start = start
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        wanted = min(len(buffer), self._size - self._at)
        self._stream.seek(self._start + self._at)
        part = self._stream.read(wanted) if wanted > 0 else b""
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


class _Content(io.RawIOBase):
    """What a member holds, compared at its end with what the list of members says of it."""

    def __init__(self, inner: io.RawIOBase, info: zipfile.ZipInfo, meter: Meter) -> None:
        self._inner = inner
        self._info = info
        self._meter = meter
        self._crc = self._given = 0
        self._last = b""
        self.broken: Break | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        read = self._inner.readinto(buffer) or 0
        self._meter.add(read)
        if read:
            part = memoryview(buffer)[:read]
            self._crc = zlib.crc32(part, self._crc)
            self._given += read
            self._last = bytes(part[-1:])
        else:
            self.broken = break_of(self._inner) or self._mismatch()
        return read

    def _mismatch(self) -> Break | None:
        expected = self._info.file_size
        if self._given != expected:
            what = f"is damaged (it has {self._given:,} bytes; the zip says {expected:,})"
        elif self._crc != self._info.CRC:
            what = "is damaged (its content does not match its checksum)"
        else:
            return None
        is_line = self._last == b"\n"
        whole = self._given >= expected
        return Break("zip", what, self._info.compress_size, self._given, is_line, whole)
