"""JSON in any number of lines: one array of records, or records one after another."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import Any, BinaryIO

from ingest.corpus.readers.json_lines import BOM, extended
from ingest.corpus.readers.records import Records, shown
from ingest.corpus.records import Fields, UnusableRecord, to_document
from ingest.document import Document, Place, Rejected
from ingest.errors import SourceError


def read_json(stream: BinaryIO, file: str, fields: Fields, source: str = "") -> Records:
    """A record's number counts from 1. Raises SourceError where the JSON ends to be such."""
    import ijson

    number = 0
    try:
        for number, record in enumerate(_records(stream), 1):
            yield _document(record, fields, Place(file, number), source)
    except ijson.JSONError as error:
        reason = " ".join(str(error).split())[:200]
        raise SourceError(f"{file}: not JSON after {number} records: {reason}") from error


def _records(stream: BinaryIO) -> Iterator[Any]:
    import ijson

    with _peekable(stream) as text:
        if text.peek(len(BOM)).startswith(BOM):
            text.read(len(BOM))
        first = _first(text)
        if first == b"[":
            yield from ijson.items(text, "item")
        elif first:
            yield from ijson.items(text, "", multiple_values=True)


def _first(text: "io.BufferedReader[Any]") -> bytes:
    """What comes after the blanks, which are read."""
    while some := text.peek(1):
        if first := some.lstrip()[:1]:
            return first
        text.read(len(some))
    return b""


@contextmanager
def _peekable(stream: BinaryIO) -> Iterator["io.BufferedReader[Any]"]:
    text: Any = io.BufferedReader(stream)
    try:
        yield text
    finally:
        with suppress(ValueError):  # of a stream that was closed meanwhile
            text.detach()  # which stays the caller's to close


def _document(record: object, fields: Fields, place: Place, source: str) -> Document | Rejected:
    try:
        return to_document(_plain(record), fields, place, source)
    except UnusableRecord as error:
        return Rejected(place, str(error), shown(json.dumps(record, default=str).encode()))
    except RecursionError:
        return Rejected(place, "is nested too deeply")


def _plain(value: Any) -> Any:
    """Fractions as floats, and Extended JSON as what it stands for."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        pairs = [(name, _plain(item)) for name, item in value.items()]
        return extended(pairs) if any(n.startswith("$") for n in value) else dict(pairs)
    return value
