"""JSON Lines, one record a line; and JSON in any number of lines: an array, or record after record.

Either is recognised under the other's ending. A record that cannot be used is one reject, and so is
the rest of a file that stops being JSON.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import BinaryIO

from leafsearch.config.text import counted
from leafsearch.ingest.document import Document, Place, Records, Rejected, cut_record
from leafsearch.ingest.sources.files.records import (
    TOO_DEEP,
    AbsentTexts,
    Fields,
    UnusableRecord,
    to_document,
)
from leafsearch.ingest.sources.readers.tables.columns import Columns
from leafsearch.ingest.sources.readers.tables.json_cutter import (
    BOM,
    MAX_RECORD,
    BrokenJson,
    JsonCutter,
    RawRecord,
    Readable,
)
from leafsearch.ingest.sources.readers.tables.json_parse import parse_json
from leafsearch.ingest.sources.readers.tables.utf8 import as_utf8

BROKEN = "not JSON after "  # begins the reject of what follows a break
_SKIPPED = 2**20  # bytes at a time
_MOST_BLANK = 1000  # lines before the first record
_EXTRA = "not JSON: Extra data"


def read_json_lines(
    stream: BinaryIO, file: str, fields: Fields, source: str = "", columns: Columns | None = None
) -> Records:
    """Skips blank lines. A file that begins like an array of records, or like a record over
    several lines, is read as JSON."""
    plain = as_utf8(stream)
    begun, is_lines = _begin(plain)
    if not is_lines:
        yield from _records(_Prefixed(b"".join(begun), plain), file, fields, source, columns)
        return
    absent, is_any = AbsentTexts.of(fields), False
    for number, line in _lines(plain, begun):
        place = Place(file, number)
        if len(line) > MAX_RECORD:
            yield Rejected(place, f"line of more than {MAX_RECORD} bytes", cut_record(line))
            continue
        if not line.strip():
            continue
        try:
            record = parse_json(line)
            absent.look_at(record)
            yield to_document(record, fields, place, source)
            is_any = True
        except UnusableRecord as error:
            reason = str(error)
            if reason.startswith(_EXTRA):
                reason += "; --format json takes several records on a line"
            yield Rejected(place, reason, cut_record(line))
    _report(absent, file, columns, is_any=is_any)


def _report(absent: AbsentTexts, file: str, columns: Columns | None, *, is_any: bool) -> None:
    if is_any and absent.paths and columns is not None:
        columns.report.add_absent(file, sorted(absent.paths))


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
        is_records = isinstance(parsed, list) and (not parsed or isinstance(parsed[0], dict))
        return lines, not is_records
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


def read_json(
    stream: BinaryIO, file: str, fields: Fields, source: str = "", columns: Columns | None = None
) -> Records:
    """A record's number counts from 1. Where the file stops being JSON, its rest is one reject."""
    yield from _records(as_utf8(stream), file, fields, source, columns)


def _records(
    stream: Readable, file: str, fields: Fields, source: str, columns: Columns | None
) -> Records:
    number, cutter = 0, JsonCutter(stream)
    absent, is_any = AbsentTexts.of(fields), False
    try:
        for number, raw in enumerate(cutter.records(), 1):
            made = _document(raw, fields, Place(file, number), source, absent)
            is_any = is_any or isinstance(made, Document)
            yield made
    except BrokenJson as error:
        reason = (
            f"{BROKEN}{counted(number, 'record')}: {error}; the file is not read from byte "
            f"{cutter.position:,} on"
        )
        yield Rejected(Place(file, number + 1), reason, cutter.shown_record())
    _report(absent, file, columns, is_any=is_any)


def _document(
    raw: RawRecord, fields: Fields, place: Place, source: str, absent: AbsentTexts
) -> Document | Rejected:
    try:
        if raw.problem:
            raise UnusableRecord(raw.problem)
        record = parse_json(raw.text)
        absent.look_at(record)
        return to_document(record, fields, place, source)
    except UnusableRecord as error:
        return Rejected(place, str(error), cut_record(raw.text))
