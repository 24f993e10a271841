"""The files of a tar, packed or not, read once from front to back.

`tarfile` reads the headers. It takes a damaged one for the end of the archive, which is noticed
here.
"""

import io
import tarfile
from collections.abc import Iterator
from functools import partial
from typing import Any

from leafsearch.config.text import escape_surrogates
from leafsearch.ingest.sources.readers.packed.archive import (
    ArchiveError,
    Entry,
    Meter,
    clean_name,
)
from leafsearch.ingest.sources.readers.packed.compression import BUFFER, Break, Buffered, break_of

_BLOCK = 512
_LONGEST_HEADER = 2**20  # bytes of one read: long names and the fields of a pax header
_SKIPPED = 2**18  # bytes at a time
_UNREADABLE = (
    tarfile.TarError,
    ValueError,
    OverflowError,
    EOFError,
    LookupError,
    RecursionError,  # of long names that name long names
)


def tar_entries(stream: Buffered, meter: Meter) -> Iterator[Entry]:
    """`stream` is unpacked. Raises ArchiveError where it ends early or is damaged."""
    file = _Forward(stream, meter)
    count = 0
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:  # type: ignore[call-overload]
            while (info := tar.next()) is not None:
                tar.members.clear()  # it would hold all of them
                count += 1
                meter.count()
                if not info.isdir():
                    yield _entry(info, file)
    except _UNREADABLE as error:
        what = f"not a tar, or a damaged one ({error})"
        raise ArchiveError(_where(stream, file.tell(), count, what)) from error
    what = "damaged tar: no header" if any(file.last) or len(file.last) % _BLOCK else ""
    at = file.tell()
    if file.has_more_content():
        what = what or "other bytes follow the end of the tar"
    if what or break_of(stream):
        raise ArchiveError(_where(stream, at, count, what))


def _where(stream: Buffered, at: int, count: int, what: str) -> str:
    shown = str(break_of(stream) or f"{what} at byte {at:,}")
    return f"{shown}; the {count:,} members that begin before it are read"


def _entry(info: tarfile.TarInfo, file: "_Forward") -> Entry:
    problem = "is a sparse file; unpack the archive first" if info.issparse() else ""
    name = escape_surrogates(clean_name(info.name))  # which writes backslashes
    return Entry(name, partial(_opened, file, info), problem, is_other=not info.isreg())


def _opened(file: "_Forward", info: tarfile.TarInfo) -> Buffered:
    return io.BufferedReader(_Member(file, info), BUFFER)


class _Forward:
    """What TarFile needs of a file that can only be read on. `last` is what was read last."""

    def __init__(self, stream: Buffered, meter: Meter) -> None:
        self.stream = stream
        self.last = b""
        self._meter = meter
        self._at = 0

    def tell(self) -> int:
        return self._at

    def read(self, size: int) -> bytes:
        if size > _LONGEST_HEADER:
            raise ArchiveError(
                f"damaged tar: a header of {size:,} bytes; expected at most {_LONGEST_HEADER:,}"
            )
        self.last = self.stream.read(size)
        self._pass(len(self.last))
        return self.last

    def seek(self, position: int) -> int:
        if position < self._at:
            raise ArchiveError(f"damaged tar: a header before byte {self._at:,} leads back")
        while self._at < position:
            part = len(self.stream.read(min(_SKIPPED, position - self._at)))
            self._pass(part)
            if not part:
                break
        return self._at

    def readinto(self, buffer: Any) -> int:
        part = self.stream.read(len(buffer))
        buffer[: len(part)] = part
        self._pass(len(part))
        return len(part)

    def has_more_content(self) -> bool:
        """Whether anything but zeros follows; reads to the end of the stream."""
        while part := self.stream.read(_SKIPPED):
            self._pass(len(part))
            if part.count(0) < len(part):
                return True
        return False

    def _pass(self, count: int) -> None:
        self._at += count
        self._meter.add(count)


class _Member(io.RawIOBase):
    def __init__(self, file: _Forward, info: tarfile.TarInfo) -> None:
        self._file = file
        self._left = info.size
        self._last = b""
        self.broken: Break | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._left:
            return 0
        read = self._file.readinto(memoryview(buffer)[: self._left])
        self._left -= read
        if read:
            self._last = bytes(buffer[read - 1 : read])
        else:
            at = self._file.tell()
            ends_line = self._last == b"\n"
            cut = Break("tar", "is truncated", at, at, ends_line)
            self.broken = break_of(self._file.stream) or cut
        return read
