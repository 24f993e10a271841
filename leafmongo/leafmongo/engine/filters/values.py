"""The kinds of values that filters compare, and their conversion from BSON.

Numbers are of two kinds, as indexed: int32 and int64 exactly, doubles as doubles. Strings,
ObjectIds and UUIDs become bytes, and ranges follow the order of these bytes.
"""

import calendar
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, overload

import numpy as np
from bson import Int64, ObjectId
from bson.binary import UUID_SUBTYPE, Binary
from bson.datetime_ms import DatetimeMS
from numpy.typing import NDArray

from leafmongo.engine.errors import Refused
from leafmongo.engine.parser import show

MAX_STRING = 8191  # UTF-16 units, the longest term in Lucene
_STEP = 1000
_INTEGERS = frozenset({int, Int64})


class KeyKind(Enum):
    NULL = "null"
    BOOLEAN = "boolean"
    INT = "number"
    DOUBLE = "double"
    DATE = "date"
    STRING = "string"
    OBJECT_ID = "objectId"
    UUID = "uuid"


TERMS = frozenset({KeyKind.STRING, KeyKind.OBJECT_ID, KeyKind.UUID})  # their values are bytes


class Key(NamedTuple):
    """`value` is bytes for strings, ObjectIds and UUIDs, milliseconds for dates."""

    kind: KeyKind
    value: Any


class KeyList(Sequence[Key]):
    """Many keys without an object for each.

    Creating, garbage-collecting and freeing a million objects would hold up all threads.
    """

    def __init__(self, parts: Sequence["KeyPart"]) -> None:
        self.parts = tuple(parts)

    @property
    def kinds(self) -> set[KeyKind]:
        return {kind for kind, _ in self.parts}

    def __len__(self) -> int:
        return sum(len(values) for _, values in self.parts)

    @overload
    def __getitem__(self, at: int) -> Key: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Key]: ...
    def __getitem__(self, at: int | slice) -> Key | Sequence[Key]:
        return tuple(self)[at]

    def __iter__(self) -> Iterator[Key]:
        for kind, values in self.parts:
            for value in values.tolist() if isinstance(values, np.ndarray) else values:
                yield Key(kind, value)


class Terms(Sequence[bytes]):
    """Many terms in one piece of memory."""

    def __init__(self, terms: Iterable[bytes]) -> None:
        listed = list(terms)
        self._together = b"".join(listed)
        self._ends = np.cumsum([len(term) for term in listed])

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | Sequence[bytes]:
        return tuple(self)[at]

    def __iter__(self) -> Iterator[bytes]:
        start = 0
        for end in self._ends.tolist():
            yield self._together[start:end]
            start = end


# Values of one kind: `Terms`, an array of numbers, or a list if there are few.
KeyPart = tuple[KeyKind, Sequence[Any] | NDArray[Any]]


def pack_keys(values: Sequence[Any], where: str) -> KeyList:
    """The keys that `equality_key` makes of the values."""
    return KeyList(
        [
            part
            for at in range(0, len(values), _STEP)
            for part in _parts(values[at : at + _STEP], where, at)
        ]
    )


def _parts(values: Sequence[Any], where: str, first: int) -> list[KeyPart]:
    types = set(map(type, values))
    if types <= _INTEGERS:
        return [(KeyKind.INT, np.array(values, dtype=np.int64))]
    if types == {float}:
        return [(KeyKind.DOUBLE, np.array(values, dtype=np.float64))]
    if types == {str}:
        return [(KeyKind.STRING, Terms(map(_utf8, values)))]
    if types == {ObjectId}:
        return [(KeyKind.OBJECT_ID, Terms(value.binary for value in values))]
    by_kind: dict[KeyKind, list[Any]] = {}
    for at, value in enumerate(values, start=first):
        key = equality_key(value, f"{where}[{at}]")
        by_kind.setdefault(key.kind, []).append(key.value)
    return [(kind, _pack(kind, found)) for kind, found in by_kind.items()]


def _pack(kind: KeyKind, values: Sequence[Any]) -> Sequence[Any] | NDArray[Any]:
    if kind in TERMS:
        return Terms(values)
    if kind is KeyKind.NULL:
        return values
    return np.array(values, dtype=np.float64 if kind is KeyKind.DOUBLE else np.int64)


def indexed_key(value: Any) -> Key | None:
    """The key under which a document's value is indexed; None for types that are not indexed."""
    key = _key(value)
    if key is not None and key.kind is KeyKind.STRING and len(key.value) > MAX_STRING:
        return Key(KeyKind.STRING, _utf8(_truncate(value)))
    return key


def equality_key(value: Any, where: str) -> Key:
    key = _key(value)
    if key is not None:
        return key
    if isinstance(value, bytes):
        raise Refused(f'"{where}" binary value must be UUID subtype 4')
    raise Refused(
        f'"{where}" must be a boolean, objectId, number, string, date, uuid, or null; '
        f"{show(value)} was given"
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


def _truncate(text: str) -> str:
    units = text.encode("utf-16-le", errors="replace")[: 2 * MAX_STRING]
    return units.decode("utf-16-le", errors="replace")
