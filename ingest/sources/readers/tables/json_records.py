"""JSON Lines, one record a line; and JSON in any number of lines: an array, or record after record.

Extended JSON (`{"$date": ...}`) becomes what it stands for. JSON over several lines is cut into
records by brackets and quotes alone, and each is parsed like a line of JSON Lines. So a record that
is not JSON, too large or nested too deeply is one reject, the records after it are read, and no
more than one record is held.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, BinaryIO, NamedTuple, Protocol

import orjson
from bson import Int64

from leafsearch.config.text import counted
from leafsearch.ingest.document import KEPT, Document, Place, Records, Rejected, cut_record
from leafsearch.ingest.sources.files.records import (
    DEEPEST,
    TOO_DEEP,
    Fields,
    UnusableRecord,
    to_document,
)
from leafsearch.ingest.sources.files.storable import LongInteger, far_date
from leafsearch.ingest.sources.readers.tables.utf8 import as_utf8
from leafsearch.vectors.store import NotExtendedJson, decode_extended

BROKEN = "not JSON after "  # begins the reject of what follows a break
BOM = b"\xef\xbb\xbf"
MAX_RECORD = 128 * 2**20  # bytes; a longer line is rejected
_SKIPPED = 2**20  # bytes at a time
# A number of more than 64 bits has this many digits, once all digits are made zeros.
_DIGITS = bytes(ord("0") if chr(sign) in "0123456789" else ord(" ") for sign in range(256))
_MANY_DIGITS = b"0" * 19
_MOST_WHOLE = 2.0**63
_MOST_DIGITS = 4000
_MOST_BLANK = 1000  # lines before the first record
_EXTRA = "not JSON: Extra data"
_NO_FLOATS = frozenset({str, int, bool, type(None)})
_READ = 2**18  # bytes at a time
# A whole string, opening brackets, one closing bracket, or the quote of a string that continues
# after the buffer. No part of it backtracks.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{]++|[\]}]|"', re.DOTALL)
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_SCALAR = re.compile(rb'[^\s,\[\]{}"]*+')
_BLANKS = re.compile(rb"[ \t\r\n]*+")
_QUOTE, _OPENING, _CLOSING = ord('"'), b"[{", b"]}"


def read_json_lines(stream: BinaryIO, file: str, fields: Fields, source: str = "") -> Records:
    """Skips blank lines. A file that begins like an array of records, or like a record over
    several lines, is read as JSON."""
    plain = as_utf8(stream)
    begun, is_lines = _begin(plain)
    if not is_lines:
        yield from _records(_Prefixed(b"".join(begun), plain), file, fields, source)
        return
    for number, line in _lines(plain, begun):
        place = Place(file, number)
        if len(line) > MAX_RECORD:
            yield Rejected(place, f"line of more than {MAX_RECORD} bytes", cut_record(line))
            continue
        if not line.strip():
            continue
        try:
            yield to_document(parse_json(line), fields, place, source)
        except UnusableRecord as error:
            reason = str(error)
            if reason.startswith(_EXTRA):
                reason += "; --format json takes several records on a line"
            yield Rejected(place, reason, cut_record(line))


def _begin(stream: BinaryIO) -> tuple[list[bytes], bool]:
    """The first lines, as many as it takes to see whether each line is a record."""
    lines = [stream.readline(MAX_RECORD + 1)]
    while lines[-1] and not _unmarked(lines).strip() and len(lines) < _MOST_BLANK:
        lines.append(stream.readline(MAX_RECORD + 1))
    first = _unmarked(lines).strip()
    if first.startswith(b"["):
        if first[1:].lstrip()[:1] not in (b"{", b"]", b""):
            return lines, True
        try:
            parsed = parse_json(first)
        except UnusableRecord as error:
            return lines, str(error) == TOO_DEEP
        return lines, not (isinstance(parsed, list) and parsed and isinstance(parsed[0], dict))
    if not first.startswith(b"{") or len(lines[-1]) > MAX_RECORD:
        return lines, True
    try:
        parse_json(first)
        return lines, True
    except UnusableRecord as error:
        if not str(error).startswith("not JSON"):
            return lines, True
    lines.append(stream.readline(MAX_RECORD + 1))
    while lines[-1] and not lines[-1].strip() and len(lines) < _MOST_BLANK:
        lines.append(stream.readline(MAX_RECORD + 1))
    # The line after an opening bracket names a field; a line that is a record opens one.
    return lines, lines[-1].lstrip()[:1] not in (b'"', b"}")


def _unmarked(lines: Sequence[bytes]) -> bytes:
    return lines[-1].removeprefix(BOM) if len(lines) == 1 else lines[-1]


class _Prefixed:
    """A stream with what was taken from it put back."""

    def __init__(self, begun: bytes, stream: BinaryIO) -> None:
        self._begun = begun
        self._stream = stream

    def read(self, size: int) -> bytes:
        if self._begun:
            part, self._begun = self._begun, b""
            return part
        return self._stream.read(size)


def _lines(stream: BinaryIO, begun: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """Line numbers and lines, first those that were `begun`; an over-long line is cut after its
    limit."""
    more = iter(lambda: stream.readline(MAX_RECORD + 1), b"")
    for number, line in enumerate(chain(begun, more), 1):
        if len(line) > MAX_RECORD:
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = stream.readline(_SKIPPED)
        yield number, line.removeprefix(BOM) if number == 1 else line


def parse_json(line: bytes) -> object:
    """Use the faster of two parsers, and the other one for what the first refuses or rounds."""
    if b"$" not in line or b'"$' not in line:
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            return _exact(line)
        return _exact(line) if _may_be_rounded(record, line) else record
    return _exact(line)


def _may_be_rounded(record: Any, line: bytes) -> bool:
    """Whether a whole number may have become a float because it exceeds 64 bits."""
    if type(record) is not dict:
        return False
    for value in record.values():
        kind = type(value)
        if kind is float and not -_MOST_WHOLE < value < _MOST_WHOLE:
            return True
        if kind is dict or (kind is list and not _NO_FLOATS.issuperset(map(type, value))):
            return _MANY_DIGITS in line.translate(_DIGITS)
    return False


def _exact(line: bytes) -> object:
    try:
        text = line.decode()
        hook = _decode_extended if '"$' in text else None
        return json.loads(text, object_pairs_hook=hook, parse_int=_parse_int)
    except UnicodeDecodeError as error:
        raise UnusableRecord(f"not UTF-8 at byte {error.start}") from error
    except NotExtendedJson as error:
        raise UnusableRecord(str(error)) from error
    except RecursionError as error:
        raise UnusableRecord(TOO_DEEP) from error
    except ValueError as error:
        raise UnusableRecord(f"not JSON: {error}") from error


def _parse_int(digits: str) -> int | LongInteger:
    """Python reads no more than 4,300 digits; MongoDB holds 19, and more become text."""
    return int(digits) if len(digits) < _MOST_DIGITS else LongInteger(digits)


def _decode_extended(pairs: list[tuple[str, Any]]) -> Any:
    try:
        return decode_extended(pairs)
    except NotExtendedJson:
        if len(pairs) == 1 and pairs[0][0] == "$date" and type(pairs[0][1]) in (int, Int64):
            return far_date(int(pairs[0][1]), "ms")
        raise


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Broken(Exception):
    """The file stops being JSON here; the reason, as a phrase."""


class _Raw(NamedTuple):
    """A record as it is written; with a `problem`, only as much of it as its reject shows."""

    text: bytes
    problem: str = ""


def read_json(stream: BinaryIO, file: str, fields: Fields, source: str = "") -> Records:
    """A record's number counts from 1. Where the file stops being JSON, its rest is one reject."""
    yield from _records(as_utf8(stream), file, fields, source)


def _records(stream: Readable, file: str, fields: Fields, source: str) -> Records:
    number, cutter = 0, _Cutter(stream)
    try:
        for number, raw in enumerate(cutter.records(), 1):
            yield _document(raw, fields, Place(file, number), source)
    except _Broken as error:
        reason = (
            f"{BROKEN}{counted(number, 'record')}: {error}; the file is not read from byte "
            f"{cutter.position:,} on"
        )
        yield Rejected(Place(file, number + 1), reason, cutter.shown_record())


def _document(raw: _Raw, fields: Fields, place: Place, source: str) -> Document | Rejected:
    try:
        if raw.problem:
            raise UnusableRecord(raw.problem)
        return to_document(parse_json(raw.text), fields, place, source)
    except UnusableRecord as error:
        return Rejected(place, str(error), cut_record(raw.text))


class _Cutter:
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

    def records(self) -> Iterator[_Raw]:
        """Raises _Broken."""
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
            raise _Broken(f"expected , or ] after a record, got {self._shown()}")
        self._at += 1
        if self._next():
            raise _Broken(f"expected the end of the file after the array, got {self._shown()}")

    def _value(self) -> _Raw:
        self._record = b""
        first = self._next()
        if first in (b"{", b"["):
            return self._container()
        if first == b'"':
            return self._scalar(self._string())
        return self._scalar(self._word())

    def _scalar(self, text: bytes) -> _Raw:
        """Accept a value that is JSON though not a record; after anything else the rest cannot
        be trusted."""
        try:
            parse_json(text)
        except UnusableRecord as error:
            reason = str(error).removeprefix("not JSON: ")
            raise _Broken(reason if text else f"got {self._shown()}") from error
        return _Raw(text)

    def _container(self) -> _Raw:
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
                return _Raw(b"".join(parts)[: None if not problem else 4 * KEPT], problem)
            if problem:
                del parts[1:]
            if self._at < len(self._buffer):  # a string continues after the buffer
                problem = self._passed_over(problem)
            elif not self._read_on():
                raise _Broken("the file ends within a record")

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
                raise _Broken("the file ends within a string")
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
                raise _Broken("the file ends within a string")

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
                raise _Broken("the file ends within a string")

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
