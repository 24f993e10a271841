"""JSON Lines, one record a line; Extended JSON (`{"$date": ...}`) becomes what it stands for."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from bson import json_util
from bson.errors import BSONError

from ingest.document import Place, Rejected
from ingest.readers.records import Records, shown
from ingest.records import Fields, UnusableRecord, to_document

_MAX_LINE = 128 * 2**20  # bytes; a longer one is taken for a file that is not JSON Lines
_BOM = b"\xef\xbb\xbf"
_WRONG_VALUE = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, BSONError)


def read_json_lines(stream: BinaryIO, source: str, fields: Fields) -> Records:
    """Blank lines are passed over."""
    for number, line in _lines(stream):
        place = Place(source, number)
        if len(line) > _MAX_LINE:
            yield Rejected(place, f"line of more than {_MAX_LINE} bytes", shown(line))
            continue
        if not line.strip():
            continue
        try:
            yield to_document(_json(line), fields, place)
        except UnusableRecord as error:
            yield Rejected(place, str(error), shown(line))


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
        return json.loads(text, object_pairs_hook=_extended if '"$' in text else None)
    except UnicodeDecodeError as error:
        raise UnusableRecord(f"not UTF-8 at byte {error.start} of the line") from error
    except (ValueError, RecursionError) as error:
        raise UnusableRecord(f"not JSON: {error}") from error


def _extended(pairs: list[tuple[str, Any]]) -> Any:
    try:
        return json_util.object_pairs_hook(pairs)
    except _WRONG_VALUE as error:
        given = json.dumps(dict(pairs), default=str)
        given = given if len(given) <= 80 else f"{given[:80]}..."
        # What the library says of it is about its own insides.
        raise UnusableRecord(f"{given} is not a value that Extended JSON knows") from error
