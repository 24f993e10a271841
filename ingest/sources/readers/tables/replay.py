"""A stream that is read twice: first to learn about it, then to read it.

A file is rewound. What cannot seek is copied to disk while it is read first, up to a bound; what
comes after the bound is seen by the second reading alone.
"""

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Protocol

from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.readers.packed.compression import break_of

COPIED = 4 * 2**30  # bytes that are copied to disk
_IN_MEMORY = 8 * 2**20  # bytes of a copy that need no file
_READ = 2**18  # bytes


class Replay(Protocol):
    """`first` is read and given up before `second` is asked for. `is_whole` tells whether the
    first reading has met the end of the stream, or only of its copy."""

    @property
    def is_whole(self) -> bool: ...

    def first(self) -> BinaryIO: ...

    def keep_nothing(self) -> None:
        """Make the first reading the only one."""

    def second(self) -> BinaryIO: ...


@contextmanager
def replayed(stream: BinaryIO, most: int = COPIED) -> Iterator[Replay]:
    if stream.seekable():
        yield _Rewound(stream)
        return
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
        yield _Copied(stream, copy, most)


class _Rewound:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._begin = stream.tell()

    def first(self) -> BinaryIO:
        return self._stream

    @property
    def is_whole(self) -> bool:
        return True

    def keep_nothing(self) -> None:
        pass

    def second(self) -> BinaryIO:
        self._stream.seek(self._begin)
        on_rewind = getattr(getattr(self._stream, "raw", None), "on_rewind", None)
        if on_rewind is not None:
            on_rewind()
        return self._stream


class _Copied:
    def __init__(self, stream: BinaryIO, copy: Any, most: int) -> None:
        self._stream = stream
        self._tee = _Tee(stream, copy, most)

    @property
    def is_whole(self) -> bool:
        return not (self._tee.is_cut or self._tee.error or break_of(self._stream))

    def first(self) -> BinaryIO:
        return io.BufferedReader(self._tee, _READ)

    def keep_nothing(self) -> None:
        self._tee.is_copying = False

    def second(self) -> BinaryIO:
        return io.BufferedReader(_Joined(self._tee), _READ)


class _Tee(io.RawIOBase):
    """Copies what is read. Ends where the copy is full, or where the stream fails."""

    def __init__(self, stream: BinaryIO, copy: Any, most: int) -> None:
        self._read_some = getattr(stream, "read1", stream.read)
        self._left = most
        self.copy = copy
        self.is_copying = True
        self.is_cut = False
        self.error: SourceError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if self.is_copying and self._left <= 0:
            self.is_cut = True
            return 0
        try:
            part = self.read_on(len(buffer))
        except SourceError as error:  # a damaged archive; what comes before is read
            if not self.is_copying:
                raise
            self.error = error
            return 0
        if self.is_copying:
            self.copy.write(part)
            self._left -= len(part)
        buffer[: len(part)] = part
        return len(part)

    def read_on(self, most: int) -> bytes:
        part: bytes = self._read_some(most)
        return part


class _Joined(io.RawIOBase):
    """The copy, then the rest of the stream, or the error that it ends in."""

    def __init__(self, tee: _Tee) -> None:
        self._tee = tee
        tee.copy.seek(0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        part = self._tee.copy.read(len(buffer))
        if not part and self._tee.error is not None:
            raise self._tee.error
        if not part and self._tee.is_cut:
            part = self._tee.read_on(len(buffer))
        buffer[: len(part)] = part
        return len(part)
