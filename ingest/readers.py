"""One generator per file format: Documents and Rejected records, in the order of the file.

Nothing is held but the record at hand, so memory does not grow with a file's length.
"""

import csv
import json
import re
from collections.abc import Iterator
from io import TextIOWrapper
from typing import Any, BinaryIO

from bson import json_util

from ingest.document import Document, Place, Rejected
from ingest.errors import SourceError
from ingest.records import MAX_TEXT, Fields, UnusableRecord, to_document

_MAX_LINE = 128 * 2**20  # bytes; a longer one is taken for a file that is not JSON Lines
_KEPT = 10_000  # characters of a rejected record
_BOM = b"\xef\xbb\xbf"
_TITLE = re.compile(r"^#\s+(.+?)\s*#*\s*$", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)

csv.field_size_limit(MAX_TEXT)

Records = Iterator[Document | Rejected]


def read_json_lines(stream: BinaryIO, source: str, fields: Fields) -> Records:
    """Blank lines are passed over. Extended JSON (`{"$date": ...}`) becomes what it stands for."""
    for number, line in _lines(stream):
        place = Place(source, number)
        if len(line) > _MAX_LINE:
            yield Rejected(place, f"line of more than {_MAX_LINE} bytes", _shown(line))
            continue
        if not line.strip():
            continue
        try:
            yield to_document(_json(line), fields, place)
        except UnusableRecord as error:
            yield Rejected(place, str(error), _shown(line))


def read_csv(stream: BinaryIO, source: str, fields: Fields, delimiter: str | None) -> Records:
    """A header names the columns. Numbers written as Python would write them become numbers."""
    # Bytes that are not UTF-8 travel as surrogates and are refused with their record, not before.
    text = TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    header = text.readline()
    columns = next(csv.reader([header], delimiter=delimiter or _delimiter(header)), [])
    if fields.text not in columns:
        raise SourceError(
            f"{source}: no column {fields.text!r} in the header ({', '.join(columns) or 'empty'}); "
            "name the text's column with --text-field"
        )
    if len(set(columns)) < len(columns):
        raise SourceError(f"{source}: a column name stands twice in the header: {columns}")
    rows = csv.reader(text, delimiter=delimiter or _delimiter(header))
    while True:
        place = Place(source, rows.line_num + 2)  # where the row begins; the header is line 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Rejected(place, f"not CSV: {error}")
            continue
        if row:
            yield _csv_document(row, columns, fields, place)


def read_text(stream: BinaryIO, source: str, id: str, *, markdown: bool) -> Records:
    """The whole file is one document; a Markdown file's first `#` heading is its title."""
    place = Place(source)
    raw = stream.read(MAX_TEXT + 1)
    if len(raw) > MAX_TEXT:
        yield Rejected(place, f"file of more than {MAX_TEXT} bytes")
        return
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        yield Rejected(place, f"not UTF-8 at byte {error.start}")
        return
    heading = _TITLE.search(_FENCE.sub("", text)) if markdown else None
    record = {"id": id, "text": text, "title": heading[1] if heading else "", "path": id}
    try:
        yield to_document(record, Fields(), place)
    except UnusableRecord:
        yield Rejected(place, "empty file")


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Line number and line; of an over-long line only the beginning, as its mark."""
    number = 0
    while line := stream.readline(_MAX_LINE + 1):
        number += 1
        if len(line) > _MAX_LINE:
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = stream.readline(_MAX_LINE)
        yield number, line.removeprefix(_BOM) if number == 1 else line


def _json(line: bytes) -> object:
    try:
        text = line.decode()
        return json_util.loads(text) if '"$' in text else json.loads(text)
    except UnicodeDecodeError as error:
        raise UnusableRecord(f"not UTF-8 at byte {error.start} of the line") from error
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise UnusableRecord(f"not JSON: {error}") from error


def _csv_document(
    row: list[str], columns: list[str], fields: Fields, place: Place
) -> Document | Rejected:
    shown = _shown(",".join(row).encode("utf-8", "surrogateescape"))
    if len(row) != len(columns):
        return Rejected(place, f"{len(row)} columns; the header has {len(columns)}", shown)
    record: dict[str, Any] = {
        name: value if name in (fields.text, fields.title, fields.id, "_id") else _typed(value)
        for name, value in zip(columns, row, strict=True)
        if value != "" or name == fields.text
    }
    try:
        return to_document(record, fields, place)
    except UnusableRecord as error:
        return Rejected(place, str(error), shown)


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


def _shown(raw: bytes) -> str:
    return raw[: 4 * _KEPT].decode(errors="replace").rstrip("\r\n")[:_KEPT]
