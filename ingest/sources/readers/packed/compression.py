"""Packed streams, unpacked while they are read.

The first bytes tell what a stream is, not its name: text in UTF-8 begins with none of them. A
stream that is truncated or damaged gives every byte before the break and then ends; `break_of` says
where and why.
"""

import io
import sys
from dataclasses import dataclass
from typing import Any, TypeAlias

from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.formats import Compression, require_library
from leafsearch.ingest.sources.readers.packed.decoders import STEPS, Damage, new_decoder

_MAGIC: dict[bytes, Compression] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\x00": "xz",
}
_SKIPPED = b"\x2a\x4d\x18"  # after the first byte of a zstd frame without content
# After "BZh" and a digit: a block, or the end of an empty stream.
_BZIP2 = (b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90")
BUFFER = 2**18  # bytes
_SHOWS = 16  # first bytes that show the compression
_READ = 2**16  # packed bytes at a time
_PIPE_STEP = 64  # packed bytes; a pipe cannot be read again up to the damage

Buffered: TypeAlias = "io.BufferedReader[Any]"  # takes no parameter at run time


@dataclass(frozen=True)
class Break:
    """`packed` and `unpacked` are the numbers of bytes before it; `ends_line` if the last of them
    ends a line. `has_all`: nothing of the content is missing. `is_trusted`: and it is not known
    to be wrong."""

    form: str
    what: str
    packed: int
    unpacked: int
    ends_line: bool = False
    has_all: bool = False
    is_trusted: bool = False

    def __str__(self) -> str:
        return (
            f"the {self.form} stream {self.what} at packed byte {self.packed:,} (unpacked byte "
            f"{self.unpacked:,})"
        )


def break_of(stream: object) -> Break | None:
    """Why an opened stream ended early, once it has ended; None if it did not."""
    found: Break | None = getattr(getattr(stream, "raw", stream), "broken", None)
    return found


def may_break(stream: object) -> bool:
    return hasattr(getattr(stream, "raw", stream), "broken")


def packed_bytes(stream: Buffered) -> int:
    """How many packed bytes what was read so far comes from; without an end for what is not
    packed."""
    raw = stream.raw
    return raw.taken if isinstance(raw, UnpackedStream) else sys.maxsize


def unpack(stream: Buffered, named: Compression | None) -> Buffered:
    """`named` is the compression that the file's ending promises. Raises SourceError for other
    content."""
    first = stream.peek(_SHOWS)[:_SHOWS]
    found = compression_in(first)
    if named not in (None, found) and first:
        raise SourceError(f"is not {named}, which its ending promises")
    if found is None:
        return stream
    require_library(found)
    return io.BufferedReader(UnpackedStream(stream, found), BUFFER)


def compression_in(first: bytes) -> Compression | None:
    """The compression that a stream's first 16 bytes show."""
    if first[1:4] == _SKIPPED and first[0] & 0xF0 == 0x50:
        return "zstd"
    if first[:3] == b"BZh" and first[3:4].isdigit() and first[4:10] in _BZIP2:
        return "bzip2"
    return next((name for magic, name in _MAGIC.items() if first.startswith(magic)), None)


class UnpackedStream(io.RawIOBase):
    """What the members of a packed stream hold, one after another.

    Closing it leaves the packed stream open. `broken` is set once everything before a break has
    been read.
    """

    def __init__(self, packed: Buffered, compression: Compression) -> None:
        self._packed = packed
        self._form = compression
        self._can_repeat = packed.seekable()
        self._start = packed.tell() if self._can_repeat else 0  # of the member
        self._step = STEPS[compression] if self._can_repeat else _PIPE_STEP
        self._decoder = new_decoder(compression)
        self._ahead = b""  # packed bytes that were read; those up to `_at` are decoded
        self._at = 0
        self.taken = 0  # packed bytes that were decoded
        self._of_member = 0  # of these, bytes of this member
        self._content = bytearray()
        self._given = 0
        self._last = b""
        self._break: Break | None = None
        self._is_over = False

    @property
    def broken(self) -> Break | None:
        return None if self._content else self._break

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._content and not self._is_over:
            self._fill(len(buffer))
        part = bytes(self._content[: len(buffer)])
        buffer[: len(part)] = part
        del self._content[: len(part)]
        return len(part)

    def _fill(self, wanted: int) -> None:
        """Decode what is at hand; read on only if nothing is."""
        if self._at == len(self._ahead) and not self._read_on():
            self._end()
        while self._at < len(self._ahead) and len(self._content) < wanted and not self._is_over:
            if self._decoder.is_done:
                self._begin_member()
            else:
                self._decode()

    def _read_on(self) -> bool:
        more = self._packed.read1(_READ)
        self._ahead, self._at = self._ahead[self._at :] + more, 0
        return bool(more)

    def _decode(self) -> None:
        step = self._ahead[self._at : self._at + self._step]
        try:
            content = self._decoder.decode(step)
        except Damage as damage:
            self._salvage(step, damage)
            return
        self._add(content)
        self._advance(len(step) - len(self._decoder.unused))
        if self._decoder.fault:
            self._break_off(f"is damaged ({self._decoder.fault})")

    def _begin_member(self) -> None:
        """Zeros may pad the end of a member; they are no part of the next one."""
        left = self._ahead[self._at :]
        self._advance(len(left) - len(left.lstrip(b"\0")))
        while 0 < len(self._ahead) - self._at < _SHOWS and self._read_on():
            pass
        first = self._ahead[self._at : self._at + _SHOWS]
        if not first:
            return
        if compression_in(first) != self._form:
            self._break_off("is followed by other bytes")
            return
        self._of_member = 0
        if self._can_repeat:
            self._start = self._packed.tell() - (len(self._ahead) - self._at)
        self._decoder = new_decoder(self._form)

    def _salvage(self, step: bytes, damage: Damage) -> None:
        """Unpack again up to the damage, and the step in which it lies byte by byte."""
        if self._can_repeat:
            self._packed.seek(self._start)
            self._decoder = new_decoder(self._form)
            left = self._of_member
            while left:
                again = self._packed.read(min(left, self._step))
                self._decoder.decode(again)
                left -= len(again)
            try:
                for byte in step:
                    self._add(self._decoder.decode(bytes((byte,))))
                    self._advance(1)
            except Damage as found:
                damage = found
        self._break_off(f"is damaged ({damage})")

    def _end(self) -> None:
        """The packed bytes are over."""
        self._is_over = True
        if not self._decoder.is_done:
            self._break_off("is truncated", is_trusted=True)

    def _break_off(self, what: str, *, is_trusted: bool = False) -> None:
        self._is_over = True
        self._break = Break(
            self._form,
            what,
            self.taken,
            self._given,
            ends_line=self._last == b"\n",
            has_all=self._decoder.has_all,
            is_trusted=is_trusted and self._decoder.has_all,
        )

    def _add(self, content: bytes) -> None:
        if content:
            self._content += content
            self._given += len(content)
            self._last = content[-1:]

    def _advance(self, count: int) -> None:
        self._at += count
        self.taken += count
        self._of_member += count
