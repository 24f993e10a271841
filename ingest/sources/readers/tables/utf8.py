"""Streams of text as UTF-8: UTF-16 and UTF-32 that begin with a mark are transcoded on the way.

UTF-16 without a mark cannot be told for certain, and is refused with the place of its first NUL.
"""

import io
from codecs import (
    BOM_UTF8,
    BOM_UTF16_BE,
    BOM_UTF16_LE,
    BOM_UTF32_BE,
    BOM_UTF32_LE,
    getincrementaldecoder,
)
from typing import Any, BinaryIO

from leafsearch.ingest.errors import SourceError

# UTF-32 before UTF-16, because their marks begin alike.
_MARKS = (
    (BOM_UTF32_LE, "utf-32-le"),
    (BOM_UTF32_BE, "utf-32-be"),
    (BOM_UTF16_LE, "utf-16-le"),
    (BOM_UTF16_BE, "utf-16-be"),
)
_READ = 2**16  # bytes


def as_utf8(stream: BinaryIO) -> BinaryIO:
    """The stream itself unless it begins with a mark of UTF-16 or UTF-32; then one that cannot
    seek. Raises SourceError for UTF-16 without a mark.
    """
    first = _peeked(stream)
    for mark, charset in _MARKS:
        if first.startswith(mark):
            stream.read(len(mark))
            return io.BufferedReader(_Transcoded(stream, charset, len(mark)), _READ)
    _refuse_unmarked(first.removeprefix(BOM_UTF8))
    return stream


def _peeked(stream: BinaryIO) -> bytes:
    """The first bytes, which stay in the stream."""
    if isinstance(stream, io.BufferedReader):
        return stream.peek(4)[:4]
    if stream.seekable():
        first = stream.read(4)
        stream.seek(-len(first), io.SEEK_CUR)
        return first
    return b""


def _refuse_unmarked(first: bytes) -> None:
    big, little = first[::2], first[1::2]
    plain, nuls = (little, big) if not any(big) else (big, little)
    if len(first) < 4 or any(nuls) or not all(chr(sign).isprintable() for sign in plain):
        return
    charset = "UTF-16LE" if plain is big else "UTF-16BE"
    raise SourceError(
        f"is not UTF-8: NUL at byte {first.index(0)}, as in {charset} without a byte order mark; "
        f"expected UTF-8, or UTF-16 with its mark. Convert it: iconv -f {charset} -t UTF-8"
    )


class _Transcoded(io.RawIOBase):
    """Half of a surrogate pair becomes bytes that are not UTF-8, so that only its record is
    rejected."""

    def __init__(self, stream: BinaryIO, charset: str, begin: int) -> None:
        self._stream = stream
        self._charset = charset
        self._decoder = getincrementaldecoder(charset)("surrogatepass")
        self._ready = memoryview(b"")
        self._at = begin
        self._is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._ready and not self._is_over:
            raw = self._stream.read(_READ)
            self._is_over = not raw
            begin = self._at - len(self._decoder.getstate()[0])
            try:
                text = self._decoder.decode(raw, final=self._is_over)
            except UnicodeDecodeError as error:
                raise SourceError(
                    f"is not {self._charset[:-3].upper()} at byte {begin + error.start:,}, "
                    "though it begins with its mark; what comes before is read"
                ) from error
            self._at += len(raw)
            self._ready = memoryview(text.encode("utf-8", "surrogatepass"))
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count
