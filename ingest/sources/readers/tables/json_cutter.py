"""JSON over several lines, cut into records by brackets and quotes alone.

So a record that is not JSON, too large or nested too deeply is one reject, the records after it are
read, and no more than one record is held.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from leafsearch.ingest.document import KEPT, cut_record
from leafsearch.ingest.sources.files.records import DEEPEST, TOO_DEEP, UnusableRecord
from leafsearch.ingest.sources.readers.tables.json_parse import parse_json

BOM = b"\xef\xbb\xbf"
MAX_RECORD = 128 * 2**20  # bytes; a longer line is rejected
_READ = 2**18  # bytes at a time
# A whole string, opening brackets, one closing bracket, or the quote of a string that continues
# after the buffer. No part of it backtracks.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{]++|[\]}]|"', re.DOTALL)
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_SCALAR = re.compile(rb'[^\s,\[\]{}"]*+')
_BLANKS = re.compile(rb"[ \t\r\n]*+")
_QUOTE, _OPENING, _CLOSING = ord('"'), b"[{", b"]}"


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class BrokenJson(Exception):
    """The file stops being JSON here; the reason, as a phrase."""


class RawRecord(NamedTuple):
    """A record as it is written; with a `problem`, only as much of it as its reject shows."""

    text: bytes
    problem: str = ""


class JsonCutter:
    """Cuts a stream into records. `_buffer` holds what was read; from `_at` on it is not used
    yet."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._buffer = b""
        self._at = 0
        self._before = 0  # bytes of the stream before the buffer
        self._record = b""  # the beginning of the record at hand

    @property
    def position(self) -> int:
        return self._before + self._at

    def shown_record(self) -> str:
        return cut_record(self._record or self._buffer[self._at :])

    def records(self) -> Iterator[RawRecord]:
        """Raises BrokenJson."""
        while len(self._buffer) < len(BOM) and self._read_on():
            pass
        if self._buffer.startswith(BOM):
            self._at = len(BOM)
        if self._next() != b"[":
            while self._next():
                yield self._value()
            return
        self._at += 1
        if self._next() != b"]":
            yield self._value()
            while self._next() == b",":
                self._at += 1
                yield self._value()
        if self._next() != b"]":
            raise BrokenJson(f"expected , or ] after a record, got {self._shown()}")
        self._at += 1
        if self._next():
            raise BrokenJson(f"expected the end of the file after the array, got {self._shown()}")

    def _value(self) -> RawRecord:
        self._record = b""
        first = self._next()
        if first in (b"{", b"["):
            return self._container()
        if first == b'"':
            return self._scalar(self._string())
        return self._scalar(self._word())

    def _scalar(self, text: bytes) -> RawRecord:
        """Accept a value that is JSON though not a record; after anything else the rest cannot
        be trusted."""
        try:
            parse_json(text)
        except UnusableRecord as error:
            reason = str(error).removeprefix("not JSON: ")
            raise BrokenJson(reason if text else f"got {self._shown()}") from error
        return RawRecord(text)

    def _container(self) -> RawRecord:
        """The text from a bracket to the one that closes it."""
        parts: list[bytes] = []
        depth = size = 0
        problem = ""
        while True:
            depth, deepest, end = self._scanned(depth)
            part, self._at = self._buffer[self._at : end], end
            if deepest > DEEPEST + 1:  # a record is an object around its metadata
                problem = problem or TOO_DEEP
            size += len(part)
            if size > MAX_RECORD:
                problem = problem or f"record of more than {MAX_RECORD} bytes"
            if not problem or not parts:
                parts.append(part[: 4 * KEPT] if problem else part)
            self._record = self._record or part[: 4 * KEPT]
            if not depth:
                return RawRecord(b"".join(parts)[: None if not problem else 4 * KEPT], problem)
            if problem:
                del parts[1:]
            if self._at < len(self._buffer):  # a string continues after the buffer
                problem = self._passed_over(problem)
            elif not self._read_on():
                raise BrokenJson("the file ends within a record")

    def _scanned(self, depth: int) -> tuple[int, int, int]:
        """The depth afterwards, the greatest depth, and the end: after the last bracket, or
        before a string that continues."""
        deepest = depth
        for token in _TOKEN.finditer(self._buffer, self._at):
            start, end = token.span()
            sign = self._buffer[start]
            if sign in _OPENING:
                depth += end - start
                deepest = max(deepest, depth)
            elif sign in _CLOSING:
                depth -= 1
                if not depth:
                    return 0, deepest, end
            elif end - start == 1:
                return depth, deepest, start
        return depth, deepest, len(self._buffer)

    def _passed_over(self, problem: str) -> str:
        """Read until the string at `_at` is complete, or skip it if it is too long."""
        if not problem and len(self._buffer) - self._at <= MAX_RECORD:
            if not self._read_on():
                raise BrokenJson("the file ends within a string")
            return problem
        self._skip_string()
        return problem or f"record of more than {MAX_RECORD} bytes"

    def _skip_string(self) -> None:
        self._at += 1
        while True:
            found = _IN_STRING.match(self._buffer, self._at)
            self._at = found.end() if found else self._at
            if self._buffer[self._at : self._at + 1] == b'"':
                self._at += 1
                return
            if not self._read_on():
                raise BrokenJson("the file ends within a string")

    def _string(self) -> bytes:
        while True:
            token = _TOKEN.match(self._buffer, self._at)
            if token is not None and len(token[0]) > 1:
                self._at = token.end()
                return token[0]
            if len(self._buffer) - self._at > MAX_RECORD:
                self._skip_string()
                return b'"too long"'
            if not self._read_on():
                raise BrokenJson("the file ends within a string")

    def _word(self) -> bytes:
        while True:
            found = _SCALAR.match(self._buffer, self._at)
            end = found.end() if found else self._at
            if end < len(self._buffer) or end - self._at > KEPT or not self._read_on():
                text, self._at = self._buffer[self._at : end], end
                return text

    def _next(self) -> bytes:
        """The next character that is not blank; empty at the end."""
        while True:
            found = _BLANKS.match(self._buffer, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._buffer) or not self._read_on():
                return self._buffer[self._at : self._at + 1]

    def _read_on(self) -> bool:
        """Double the buffer, so that a long record is not scanned too often."""
        held = self._buffer[self._at :]
        more = self._stream.read(max(_READ, len(held)))
        self._before += self._at
        self._buffer, self._at = held + more, 0
        return bool(more)

    def _shown(self) -> str:
        some = self._buffer[self._at : self._at + 20]
        return repr(some.decode(errors="replace")) if some else "the end of the file"
