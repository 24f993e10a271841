"""The kinds of values that a filter knows, and how a BSON value becomes one of them.

Numbers are two kinds, as they are indexed: int32 and int64 exactly, doubles as doubles. Strings,
ObjectIds and UUIDs become bytes, in whose order ranges are answered.
"""

import calendar
import uuid
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from bson import ObjectId
from bson.binary import UUID_SUBTYPE, Binary
from bson.datetime_ms import DatetimeMS

from local.engine.errors import Refused
from local.engine.section import shown

LONGEST_STRING = 8191  # UTF-16 units; Lucene has no longer terms


class KeyKind(Enum):
    NULL = "null"
    BOOLEAN = "boolean"
    INT = "number"
    DOUBLE = "double"
    DATE = "date"
    STRING = "string"
    OBJECT_ID = "objectId"
    UUID = "uuid"


class Key(NamedTuple):
    """`value` is bytes for strings, ObjectIds and UUIDs, milliseconds for dates."""

    kind: KeyKind
    value: Any


def indexed_key(value: Any) -> Key | None:
    """How a value of a document is indexed; None for the types that are not."""
    key = _key(value)
    if key is not None and key.kind is KeyKind.STRING and len(key.value) > LONGEST_STRING:
        return Key(KeyKind.STRING, _utf8(_truncated(value)))
    return key


def equality_key(value: Any, where: str) -> Key:
    key = _key(value)
    if key is not None:
        return key
    if isinstance(value, bytes):
        raise Refused(f'"{where}" binary value must be UUID subtype 4')
    raise Refused(
        f'"{where}" must be a boolean, objectId, number, string, date, uuid, or null; '
        f"{shown(value)} was given"
    )


def range_key(value: Any, where: str) -> Key:
    key = equality_key(value, where)
    if key.kind is KeyKind.NULL:
        raise Refused(f'"{where}" must be a boolean, date, number, objectId, string, or uuid')
    return key


def _key(value: Any) -> Key | None:
    # The order matters: a bool is an int, a Binary is bytes.
    match value:
        case None:
            return Key(KeyKind.NULL, None)
        case bool():
            return Key(KeyKind.BOOLEAN, int(value))
        case str():
            return Key(KeyKind.STRING, _utf8(value))
        case int():
            return Key(KeyKind.INT, int(value))
        case float():
            return Key(KeyKind.DOUBLE, value)
        case datetime() | DatetimeMS():
            return Key(KeyKind.DATE, _milliseconds(value))
        case ObjectId():
            return Key(KeyKind.OBJECT_ID, value.binary)
        case uuid.UUID():
            return Key(KeyKind.UUID, value.bytes)
        case Binary() if value.subtype == UUID_SUBTYPE and len(value) == 16:
            return Key(KeyKind.UUID, bytes(value))
    return None


def _milliseconds(moment: datetime | DatetimeMS) -> int:
    """A datetime without a time zone is in UTC, as everywhere in BSON."""
    if isinstance(moment, DatetimeMS):
        return int(moment)
    return calendar.timegm(moment.utctimetuple()) * 1000 + moment.microsecond // 1000


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")


def _truncated(text: str) -> str:
    units = text.encode("utf-16-le", errors="replace")[: 2 * LONGEST_STRING]
    return units.decode("utf-16-le", errors="replace")
