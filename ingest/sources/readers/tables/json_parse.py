"""A line of JSON as Python values: Extended JSON (`{"$date": ...}`) becomes what it stands for.

The faster of two parsers reads what it reads exactly; the other one the rest.
"""

import json
from typing import Any

import orjson
from bson import Int64

from leafsearch.ingest.sources.files.records import TOO_DEEP, UnusableRecord
from leafsearch.ingest.sources.files.storable import LongInteger, far_date
from leafsearch.vectors.store import NotExtendedJson, decode_extended

# A number of more than 64 bits has this many digits, once all digits are made zeros.
_DIGITS = bytes(ord("0") if chr(sign) in "0123456789" else ord(" ") for sign in range(256))
_MANY_DIGITS = b"0" * 19
_MOST_WHOLE = 2.0**63
_MOST_DIGITS = 4000
_NO_FLOATS = frozenset({str, int, bool, type(None)})


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
