"""Workbooks by sheet: a sheet with a header that has the text is a table of records, any other one
is a document, whose rows are lines of `Column: value`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from leafsearch.config.text import quote_all
from leafsearch.ingest.document import KEPT, Document, Mark, Place, Records, Rejected
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.records import MAX_TEXT, Fields, UnusableRecord, to_document
from leafsearch.ingest.sources.readers.tables.column_types import ColumnType, DecidedColumn, shown
from leafsearch.ingest.sources.readers.tables.columns import Columns, Typed
from leafsearch.ingest.sources.readers.tables.header import plain_names
from leafsearch.ingest.sources.readers.tables.workbook import Sheet, Workbook, open_workbook
from leafsearch.ingest.sources.readers.text import Whole

_HEADER_WITHIN = 50  # rows
_BETWEEN_ROWS = "\n\n"
_NUMBERS = {"integer", "float"}
Row = tuple[int, Sequence[Any]]  # its number and its cells


def read_sheets(
    stream: BinaryIO, whole: Whole, fields: Fields, columns: Columns | None = None
) -> Records:
    """Numbers, dates and booleans keep their types, without the formats that show them. Raises
    SourceError."""
    with open_workbook(stream) as book:
        reading = _Reading(whole, fields, columns or Columns())
        notes = list(book.notes)
        for record in reading.records(book):
            if notes and isinstance(record, Document):
                record, notes = replace(record, notes=[*notes, *record.notes]), []
            yield record
        if notes:
            yield Rejected(Place(whole.file), f"no sheet holds a document: {'; '.join(notes)}")
        elif not reading.found:
            yield Rejected(Place(whole.file), "no sheet holds a cell")


@dataclass
class _Reading:
    whole: Whole
    fields: Fields
    columns: Columns
    found: list[str] = field(default_factory=list)  # sheets that hold something
    headers: list[str] = field(default_factory=list)  # of sheets without the text

    def records(self, book: Workbook) -> Records:
        is_usual = self.fields.texts == Fields().texts
        has_table = False
        for sheet in book.sheets:
            first = list(islice(_rows(sheet), _HEADER_WITHIN))
            if not first:
                continue
            self.found.append(sheet.name)
            header = _header_of(first, self.fields)
            if header is not None:
                has_table = True
                yield from self._table(sheet, header, first)
            elif is_usual:
                yield self._document(sheet, first)
            else:
                self.headers.append(f"{sheet.name}: {quote_all(map(_text, first[0][1]))}")
        if not has_table and self.headers:
            raise SourceError(
                f"{self.whole.file}: no sheet with a column "
                f"{' and '.join(map(repr, self.fields.texts))} (first rows: "
                f"{quote_all(self.headers)}); name the text's column with --text-field"
            )

    def _table(self, sheet: Sheet, header: Row, first: Sequence[Row]) -> Records:
        file = f"{self.whole.file}#{sheet.name}"
        names, repeated = plain_names([_name(cell) for cell in header[1]], file, self.fields)
        own = self.fields.always_text
        undecided = self.columns.undecided(names, own)
        decided = _decide(undecided, _behind(sheet, header[0])) if undecided else []
        self.columns.report.add(file, decided, repeated)
        values = _CellValues(self.columns, decided, names, own)
        notes = _above(first, header[0])
        for number, cells in _behind(sheet, header[0]):
            place = Place(file, number)
            try:
                record = values.record(cells, self.fields)
                made = to_document(record, self.fields, place, self.whole.source)
                marks = (Mark(0, {"sheet": sheet.name, "row": number}),)
                yield replace(made, marks=marks, notes=[*notes, *made.notes])
                notes = []
            except UnusableRecord as error:
                yield Rejected(place, str(error), str([_text(cell) for cell in cells])[:KEPT])

    def _document(self, sheet: Sheet, first: Sequence[Row]) -> Document | Rejected:
        names = _names(first[0][1]) if len(first) > 1 else []
        lines, marks, offset = list[str](), list[Mark](), 0
        whole = replace(self.whole, id=f"{self.whole.id}#{sheet.name}")
        try:
            for number, cells in _behind(sheet, first[0][0]) if names else _rows(sheet):
                line = _line(names, cells)
                marks.append(Mark(offset, {"sheet": sheet.name, "row": number}))
                lines.append(line)
                offset += len(line) + len(_BETWEEN_ROWS)
                if offset > MAX_TEXT:
                    raise UnusableRecord(
                        f"a sheet of more than {MAX_TEXT} characters without a column "
                        f"{self.fields.texts[0]!r}; name the text's column with --text-field"
                    )
            title = f"{PurePosixPath(self.whole.id).stem}: {sheet.name}"
            text, about = _BETWEEN_ROWS.join(lines), {"sheet": sheet.name}
            return whole.document(text, title, marks=marks, metadata=about)
        except UnusableRecord as error:
            return Rejected(Place(f"{self.whole.file}#{sheet.name}"), str(error))


class _CellValues:
    """Cells as values of the types of their columns."""

    def __init__(
        self,
        columns: Columns,
        decided: Sequence[DecidedColumn],
        names: Sequence[str],
        own: Sequence[str],
    ) -> None:
        self._names = names
        self._own = own
        self._asked = columns.asked.types
        self._types = {column.name: column.type for column in decided}
        self._typed = Typed.of_asked(columns, names, own)

    def record(self, cells: Sequence[Any], fields: Fields) -> dict[str, Any]:
        """Raises UnusableRecord."""
        found = {
            name: value
            for name, cell in zip(self._names, cells, strict=False)
            if cell != "" and (value := self._value(name, cell)) is not None
        }
        return {**dict.fromkeys((t for t in fields.texts if t not in found), ""), **found}

    def _value(self, name: str, cell: Any) -> Any:
        if name in self._own:
            return _text(cell)
        if name in self._asked:
            return self._typed.value(name, _text(cell))
        match self._types.get(name):
            case "text":
                return _text(cell)
            case "float":
                return _number(cell)
            case "integer":
                return int(_number(cell))
            case "date":
                return _moment(cell)
            case _:
                return cell


def _decide(columns: Sequence[tuple[int, str]], rows: Iterator[Row]) -> list[DecidedColumn]:
    """The type of all cells of each column; text where they are of several."""
    met: list[dict[ColumnType, str]] = [{} for _ in columns]
    for number, cells in rows:
        for (place, _), kinds in zip(columns, met, strict=True):
            if place < len(cells) and (cell := cells[place]) != "":
                kind = _kind(cell)
                if kind not in kinds:
                    kinds[kind] = f"{shown(_text(cell))} in row {number:,}"
    return [_decided(name, kinds) for (_, name), kinds in zip(columns, met, strict=True) if kinds]


def _decided(name: str, kinds: dict[ColumnType, str]) -> DecidedColumn:
    if kinds.keys() == _NUMBERS:
        return DecidedColumn(name, "float")
    if len(kinds) > 1:
        some = [kinds[kind] for kind in kinds if kind not in _NUMBERS]
        number = next((kinds[kind] for kind in kinds if kind in _NUMBERS), None)
        some = [number, *some] if number else some
        return DecidedColumn(name, "text", f"it holds {' and '.join(some[:2])}")
    return DecidedColumn(name, next(iter(kinds)))


def _kind(cell: Any) -> ColumnType:
    if isinstance(cell, bool):
        return "boolean"
    if isinstance(cell, int | float | timedelta):
        number = _number(cell)
        return "integer" if number.is_integer() and abs(number) < 2**53 else "float"
    return "date" if isinstance(cell, date) else "text"


def _number(cell: Any) -> float:
    return cell.total_seconds() if isinstance(cell, timedelta) else float(cell)


def _moment(cell: date) -> datetime:
    return cell if isinstance(cell, datetime) else datetime(cell.year, cell.month, cell.day)


def _text(cell: Any) -> str:
    """A cell as it is read aloud: 12, 0.5, 2024-05-01, TRUE."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, int | float | timedelta):
        number = _number(cell)
        return str(int(number)) if _kind(cell) == "integer" else repr(number)
    if isinstance(cell, datetime) and cell.time() == time():
        return cell.date().isoformat()
    return cell.isoformat(" ") if isinstance(cell, datetime) else str(cell.isoformat())


def _name(cell: Any) -> str:
    return " ".join(_text(cell).split())


def _header_of(first: Sequence[Row], fields: Fields) -> Row | None:
    """The first row that names every text."""
    wanted = set(fields.texts)
    return next((row for row in first if wanted <= {_name(cell) for cell in row[1]}), None)


def _above(first: Sequence[Row], header: int) -> list[str]:
    """A note on rows above the header, which belong to no record."""
    if first[0][0] == header:
        return []
    return [f"what stands above the header in row {header} is not read: {_line([], first[0][1])}"]


def _behind(sheet: Sheet, header: int) -> Iterator[Row]:
    return (row for row in _rows(sheet) if row[0] > header)


def _names(cells: Sequence[Any]) -> Sequence[str]:
    """The names of columns, if a row looks like a header: two or more different texts, and
    nothing else."""
    filled = [cell for cell in cells if cell != ""]
    is_header = len(filled) > 1 and all(isinstance(cell, str) for cell in filled)
    return [_name(cell) for cell in cells] if is_header and len(set(filled)) == len(filled) else []


def _line(names: Sequence[str], cells: Sequence[Any]) -> str:
    parts = []
    for place, cell in enumerate(cells):
        if cell == "":
            continue
        name = names[place] if place < len(names) else ""
        value = " ".join(_text(cell).split()) if names else _text(cell).strip()
        parts.append(f"{name}: {value}" if name else value)
    return "; ".join(parts) if names else " | ".join(parts)


def _rows(sheet: Sheet) -> Iterator[Row]:
    """Rows that are not empty, with their numbers. A cell that spans rows holds in each."""
    spans: dict[int, list[tuple[int, int]]] = {}
    for (top, left), (bottom, _) in sheet.merged:
        if bottom > top:
            spans.setdefault(top, []).append((left - sheet.first_column, bottom))
    held: dict[int, tuple[int, Any]] = {}
    for index, cells in enumerate(sheet.rows()):
        if held:
            held = {column: kept for column, kept in held.items() if kept[0] >= index}
            cells = _filled(cells, held)
        for column, bottom in spans.get(index, ()):
            if 0 <= column < len(cells) and cells[column] != "":
                held[column] = (bottom, cells[column])
        if any(cell != "" for cell in cells):
            yield index + 1, cells


def _filled(cells: Sequence[Any], held: Mapping[int, tuple[int, Any]]) -> list[Any]:
    return [
        held[place][1] if cell == "" and place in held else cell for place, cell in enumerate(cells)
    ]
