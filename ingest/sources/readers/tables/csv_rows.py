"""CSV: a header names the columns, and each row after it is a record.

A file is read twice: first to decide one type for each column, then for its records. An unclosed
quote would swallow the rows after it, which the csv module accepts silently. Here it is an error of
the row in which it opens, and the lines after that are read again as rows of their own, if they
look like rows.
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import Any, BinaryIO, NamedTuple

from leafsearch.ingest.document import Place, Records, Rejected, cut_record
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.records import MAX_TEXT, Fields, UnusableRecord, to_document
from leafsearch.ingest.sources.readers.tables.column_types import ColumnJudge, DecidedColumn
from leafsearch.ingest.sources.readers.tables.columns import Columns, Typed
from leafsearch.ingest.sources.readers.tables.header import Header, read_header
from leafsearch.ingest.sources.readers.tables.replay import Replay, replayed
from leafsearch.ingest.sources.readers.tables.utf8 import as_utf8

csv.field_size_limit(MAX_TEXT)
_BLOCK = 2000  # rows that are judged together


def read_csv(
    stream: BinaryIO,
    file: str,
    fields: Fields,
    delimiter: str | None,
    source: str = "",
    columns: Columns | None = None,
) -> Records:
    """`delimiter`: the usual one of the format, if the header does not show another. Values get
    the type of their column, see column_types. Raises SourceError."""
    columns = columns or Columns()
    own = fields.always_text
    with replayed(as_utf8(stream)) as replay:
        with _decoded(replay.first()) as text:
            header = read_header(text, file, fields, delimiter)
            undecided = columns.undecided(header.names, own)
            if not undecided:
                replay.keep_nothing()
                columns.report.add(file, [], header.repeated)
                typed = Typed.of_text(columns, [], header, own)
                yield from _documents(text, header, fields, typed, Place(file), source)
                return
            decided = _decided(text, header, undecided, replay)
        columns.report.add(file, decided, header.repeated)
        typed = Typed.of_text(columns, decided, header, own)
        with _decoded(replay.second()) as text:
            read_header(text, file, fields, delimiter)
            yield from _documents(text, header, fields, typed, Place(file), source)


def require_columns(stream: BinaryIO, file: str, fields: Fields, delimiter: str | None) -> None:
    """Raises SourceError, as read_csv would, for an unusable header."""
    with _decoded(as_utf8(stream)) as text:
        read_header(text, file, fields, delimiter)


@contextmanager
def _decoded(stream: BinaryIO) -> Iterator[TextIOWrapper]:
    # Bytes that are not UTF-8 travel as surrogates, and only their record is rejected.
    text = TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield text
    finally:
        with suppress(ValueError):  # the stream was closed meanwhile
            text.detach()  # the caller closes the stream


class _Row(NamedTuple):
    """`problem` is the reason for rejecting it, if there is one."""

    line: int
    cells: Sequence[str]
    problem: str = ""


def _decided(
    text: TextIOWrapper, header: Header, undecided: Sequence[tuple[int, str]], replay: Replay
) -> list[DecidedColumn]:
    judge = ColumnJudge(undecided)
    block: list[_Row] = []
    for row in _rows(_Lines(text, header.lines), header):
        if row.problem:
            continue
        if len(block) >= _BLOCK:
            judge.add([row.cells for row in block], [row.line for row in block])
            block = []
            if judge.is_done:
                return judge.decided()
        block.append(row)
    if not replay.is_whole:
        block = block[:-1]  # it may have lost its end
    judge.add([row.cells for row in block], [row.line for row in block])
    return judge.decided()


def _documents(
    text: TextIOWrapper,
    header: Header,
    fields: Fields,
    typed: Typed,
    place: Place,
    source: str,
) -> Records:
    lines = _Lines(text, header.lines)
    for row in _rows(lines, header):
        at = Place(place.source, row.line)
        try:
            if row.problem:
                raise UnusableRecord(row.problem)
            yield to_document(_record(row, header, fields, typed), fields, at, source)
        except UnusableRecord as error:
            yield Rejected(at, lines.undecodable() or str(error), lines.shown())


def _record(row: _Row, header: Header, fields: Fields, typed: Typed) -> dict[str, Any]:
    """Without empty cells; a text that is empty is rejected as such."""
    record: dict[str, Any] = {}
    for name, value in zip(header.names, row.cells, strict=True):
        if value != "":
            made = typed.value(name, value)
            if made is not None:
                record[name] = made
        elif name in fields.texts:
            record[name] = value
    return record


def _rows(lines: "_Lines", header: Header) -> Iterator[_Row]:
    """Every record of the file, also those that cannot be used."""
    reader, width = csv.reader(lines, delimiter=header.delimiter, strict=True), len(header.names)
    while True:
        line = lines.begin()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _Row(line, (), _torn(error, lines, header))
            continue
        if len(row) == width:
            yield _Row(line, row)
        elif row:
            yield _Row(line, row, f"{len(row)} columns; the header has {width}{lines.span()}")


class _Lines:
    """Lines that can be given back and read again; the header is not among them."""

    def __init__(self, stream: TextIOWrapper, header: int) -> None:
        self._stream = stream
        self._again: deque[str] = deque()
        self._number = header
        self.taken: list[str] = []

    def begin(self) -> int:
        """Begin a new record; returns the number of its first line."""
        self.taken = []
        return self._number + 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._stream.readline(MAX_TEXT)
        if not line:
            raise StopIteration
        if len(line) >= MAX_TEXT:
            raise SourceError(f"line {self._number + 1} has more than {MAX_TEXT} characters")
        self._number += 1
        self.taken.append(line)
        return line

    def give_back(self) -> None:
        """Give back all lines of this record but its first."""
        self._again.extendleft(reversed(self.taken[1:]))
        self._number -= len(self.taken) - 1
        del self.taken[1:]

    def span(self) -> str:
        """The last line of a record, if it has several."""
        return f" (up to line {self._number})" if len(self.taken) > 1 else ""

    def undecodable(self) -> str:
        """Where in the record a byte is not UTF-8; empty if all are."""
        raw = "".join(self.taken).encode("utf-8", "surrogateescape")
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            return f"not UTF-8 at byte {error.start}"
        return ""

    def shown(self) -> str:
        return cut_record("".join(self.taken).encode("utf-8", "surrogateescape"))


def _torn(error: csv.Error, lines: _Lines, header: Header) -> str:
    """The reason for rejecting a record; gives back lines that look like rows of their own."""
    rest = [line for line in lines.taken[1:] if line.strip()]
    is_open = bool(rest) or "end of data" in str(error)
    reason = "a quote that opens in this record is not closed" if is_open else error
    reason = f"not CSV: {reason}{lines.span()}"
    if 2 * sum(_is_row(line, header) for line in rest) > len(rest):
        lines.give_back()
        reason += "; the lines after its first are read as rows of their own"
    return reason


def _is_row(line: str, header: Header) -> bool:
    """Whether a line is a row by itself, without a quote that may be half of a pair."""
    try:
        row = next(csv.reader([line], delimiter=header.delimiter, strict=True), [])
    except csv.Error:
        return False
    return len(row) == len(header.names) and not any('"' in value for value in row)
