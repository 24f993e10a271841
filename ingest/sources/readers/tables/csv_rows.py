"""CSV: a header names the columns, and each row after it is a record.

An unclosed quote would swallow the rows after it, which the csv module accepts silently. Here it is
an error of the row in which it opens, and the lines after that are read again as rows of their own,
if they look like rows.
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import Any, BinaryIO

from leafsearch.config.text import quote, quote_all
from leafsearch.ingest.document import Document, Place, Records, Rejected, cut_record
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.records import MAX_TEXT, Fields, UnusableRecord, to_document

csv.field_size_limit(MAX_TEXT)


def read_csv(
    stream: BinaryIO, file: str, fields: Fields, delimiter: str | None, source: str = ""
) -> Records:
    """Numbers written as Python writes them become numbers. Raises SourceError."""
    with _decoded(stream) as text:
        header = text.readline(MAX_TEXT)
        delimiter = delimiter or _delimiter(header)
        columns = _columns(header, file, fields, delimiter)
        lines = _Lines(text)
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            place = Place(file, lines.begin())
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield Rejected(place, _torn(error, lines, columns, delimiter), lines.shown())
                continue
            if row:
                yield _document(row, columns, fields, place, lines, source)


def require_columns(stream: BinaryIO, file: str, fields: Fields, delimiter: str | None) -> None:
    """Raises SourceError, as read_csv would, for an unusable header."""
    with _decoded(stream) as text:
        header = text.readline(MAX_TEXT)
        _columns(header, file, fields, delimiter or _delimiter(header))


@contextmanager
def _decoded(stream: BinaryIO) -> Iterator[TextIOWrapper]:
    # Bytes that are not UTF-8 travel as surrogates, and only their record is rejected.
    text = TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield text
    finally:
        with suppress(ValueError):  # the stream was closed meanwhile
            text.detach()  # the caller closes the stream


class _Lines:
    """Lines that can be given back and read again; the header, line 1, is not among them."""

    def __init__(self, stream: TextIOWrapper) -> None:
        self._stream = stream
        self._again: deque[str] = deque()
        self._number = 1
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

    def shown(self) -> str:
        return cut_record("".join(self.taken).encode("utf-8", "surrogateescape"))


def _torn(error: csv.Error, lines: _Lines, columns: Sequence[str], delimiter: str) -> str:
    """The reason for rejecting a record; gives back lines that look like rows of their own."""
    rest = [line for line in lines.taken[1:] if line.strip()]
    is_open = bool(rest) or "end of data" in str(error)
    reason = "a quote that opens in this record is not closed" if is_open else error
    reason = f"not CSV: {reason}{lines.span()}"
    if 2 * sum(_is_row(line, columns, delimiter) for line in rest) > len(rest):
        lines.give_back()
        reason += "; the lines after its first are read as rows of their own"
    return reason


def _is_row(line: str, columns: Sequence[str], delimiter: str) -> bool:
    """Whether a line is a row by itself, without a quote that may be half of a pair."""
    try:
        row = next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return False
    return len(row) == len(columns) and not any('"' in value for value in row)


def _columns(header: str, file: str, fields: Fields, delimiter: str) -> list[str]:
    try:
        columns = next(csv.reader([header], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise SourceError(f"{file}: the header, line 1, is not CSV: {error}") from error
    if fields.text not in columns:
        raise SourceError(
            f"{file}: no column {quote(fields.text)} in the header "
            f"({quote_all(columns) or 'empty'}); "
            "name the text's column with --text-field"
        )
    if len(set(columns)) < len(columns):
        raise SourceError(f"{file}: a column name occurs twice in the header: {quote_all(columns)}")
    return columns


def _document(
    row: Sequence[str],
    columns: Sequence[str],
    fields: Fields,
    place: Place,
    lines: _Lines,
    source: str,
) -> Document | Rejected:
    if len(row) != len(columns):
        reason = f"{len(row)} columns; the header has {len(columns)}{lines.span()}"
        return Rejected(place, reason, lines.shown())
    record: dict[str, Any] = {
        name: value if name in (fields.text, fields.title, fields.id, "_id") else _typed(value)
        for name, value in zip(columns, row, strict=True)
        if value != "" or name == fields.text
    }
    try:
        return to_document(record, fields, place, source)
    except UnusableRecord as error:
        return Rejected(place, str(error), lines.shown())


def _typed(value: str) -> str | int | float:
    """`2020` and `0.5` are numbers; `007`, `1e5`, `nan` and `+1` stay as they are written."""
    for kind in (int, float):
        try:
            number = kind(value)
        except ValueError:
            continue
        if str(number) == value and abs(number) < 2**63:
            return number
    return value


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)
