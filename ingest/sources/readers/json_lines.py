"""JSON Lines, one record a line; Extended JSON (`{"$date": ...}`) becomes what it stands for."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from leafsearch.ingest.document import Place, Rejected
from leafsearch.ingest.sources.files.metadata import TOO_DEEP
from leafsearch.ingest.sources.files.records import Fields, UnusableRecord, to_document
from leafsearch.ingest.sources.readers.records import Records, shown
from leafsearch.vectors.extended_json import NotExtendedJson, extended

BOM = b"\xef\xbb\xbf"
MAX_RECORD = 128 * 2**20  # bytes; a longer line is rejected
_SKIPPED = 2**20  # bytes at a time
# A number of more than 64 bits has this many digits, once all digits are made zeros.
_DIGITS = bytes(ord("0") if chr(sign) in "0123456789" else ord(" ") for sign in range(256))
_MANY_DIGITS = b"0" * 19
_MOST_WHOLE = 2.0**63
_NO_FLOATS = frozenset({str, int, bool, type(None)})


def read_json_lines(stream: BinaryIO, file: str, fields: Fields, source: str = "") -> Records:
    """Blank lines are passed over."""
    for number, line in _lines(stream):
        place = Place(file, number)
        if len(line) > MAX_RECORD:
            yield Rejected(place, f"line of more than {MAX_RECORD} bytes", shown(line))
            continue
        if not line.strip():
            continue
        try:
            yield to_document(parse_json(line), fields, place, source)
        except UnusableRecord as error:
            yield Rejected(place, str(error), shown(line))


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Line number and line; of an over-long line only the beginning, as its mark."""
    number = 0
    while line := stream.readline(MAX_RECORD + 1):
        number += 1
        if len(line) > MAX_RECORD:
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = stream.readline(_SKIPPED)
        yield number, line.removeprefix(BOM) if number == 1 else line


def parse_json(line: bytes) -> object:
    """By the faster of two parsers, and by the other what that one refuses or rounds."""
    if b"$" not in line or b'"$' not in line:
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            return _exact(line)
        return _exact(line) if _may_be_rounded(record, line) else record
    return _exact(line)


def _may_be_rounded(record: Any, line: bytes) -> bool:
    """Whether a whole number may have become a float, being larger than 64 bits."""
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
        return json.loads(text, object_pairs_hook=extended if '"$' in text else None)
    except UnicodeDecodeError as error:
        raise UnusableRecord(f"not UTF-8 at byte {error.start}") from error
    except NotExtendedJson as error:
        raise UnusableRecord(str(error)) from error
    except RecursionError as error:
        raise UnusableRecord(TOO_DEEP) from error
    except ValueError as error:
        raise UnusableRecord(f"not JSON: {error}") from error
