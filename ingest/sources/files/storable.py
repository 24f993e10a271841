"""Metadata as MongoDB stores it.

A number or date that MongoDB or its clients have no type for becomes text, so that nothing is
lost: an integer beyond 64 bits, a decimal number of more than 34 digits, a date outside the years
1 to 9999. A note names the field.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import bson
import numpy as np
from bson import Decimal128
from bson.errors import BSONError

# Every chunk carries a copy. MongoDB limits a document to 16 MiB, including text and vector, and to
# 180 levels, of which the chunk itself is one.
_MAX = 15 * 2**20  # bytes
DEEPEST = 179  # levels of objects and arrays, the metadata itself being the first
TOO_DEEP = f"nested more than {DEEPEST} levels deep, which MongoDB cannot store"
_NESTING = frozenset({dict, list, tuple})
_MOST_DIGITS = 4000  # of an integer; Python refuses to print longer ones
_BITS = 63


class UnusableRecord(Exception):
    """The reason, as a phrase."""


@dataclass(frozen=True)
class FarDate:
    """A date outside the years 1 to 9999, which Python cannot hold; `text` is in ISO 8601."""

    text: str


@dataclass(frozen=True)
class LongInteger:
    """An integer with more digits than Python reads."""

    text: str


def far_date(value: int, unit: Literal["D", "s", "ms", "us", "ns"]) -> FarDate:
    """From a number of units since 1970. Raises ValueError for what no calendar has."""
    text = str(np.datetime64(value, unit))
    if text == "NaT":
        raise ValueError(f"{value} is no date")
    return FarDate(text)


class Storable(NamedTuple):
    """`notes` name the fields that became text."""

    metadata: Mapping[str, Any]
    encoded: bytes
    notes: Sequence[str] = ()


def store(metadata: Mapping[str, Any]) -> Storable:
    """Raises UnusableRecord for what MongoDB cannot store."""
    if _is_deeper(metadata, DEEPEST):
        raise UnusableRecord(TOO_DEEP)
    try:
        return Storable(metadata, _limited(bson.encode(metadata)))
    except UnicodeEncodeError as error:
        raise not_unicode() from error
    except (BSONError, OverflowError, ValueError, TypeError, RecursionError) as error:
        return _stored_as_text(metadata, error)


def not_unicode() -> UnusableRecord:
    return UnusableRecord("not UTF-8, or half of a surrogate pair; expected valid Unicode")


def _stored_as_text(metadata: Mapping[str, Any], error: Exception) -> Storable:
    notes: dict[str, None] = {}
    changed = {
        name: _as_stored(value, f"metadata.{name}", notes) for name, value in metadata.items()
    }
    try:
        return Storable(changed, _limited(bson.encode(changed)), tuple(notes))
    except UnicodeEncodeError:
        raise not_unicode() from error
    except (BSONError, OverflowError, ValueError, TypeError, RecursionError) as again:
        raise UnusableRecord(f"metadata that MongoDB cannot store: {again}") from error


def _as_stored(value: Any, path: str, notes: dict[str, None]) -> Any:
    if isinstance(value, Mapping):
        return {name: _as_stored(each, f"{path}.{name}", notes) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_stored(each, path, notes) for each in value]
    if type(value) is int and not -(2**_BITS) <= value < 2**_BITS:
        notes[f"{path} is an integer beyond 64 bits, which is stored as text"] = None
        return _digits(value)
    if isinstance(value, LongInteger):
        notes[f"{path} is an integer beyond 64 bits, which is stored as text"] = None
        return value.text
    if isinstance(value, FarDate):
        notes[f"{path} is a date outside the years 1 to 9999, which is stored as text"] = None
        return value.text
    if isinstance(value, Decimal):
        try:
            return Decimal128(value)
        except (ArithmeticError, ValueError):
            notes[f"{path} is a decimal of more than 34 digits, which is stored as text"] = None
            return str(value)
    return value


def _digits(value: int) -> str:
    """In parts, since Python refuses to print more than 4,300 digits at once."""
    if abs(value) < 10**_MOST_DIGITS:
        return str(value)
    parts, rest, part = [], abs(value), 10**_MOST_DIGITS
    while rest >= part:
        rest, last = divmod(rest, part)
        parts.append(f"{last:0{_MOST_DIGITS}}")
    return ("-" if value < 0 else "") + str(rest) + "".join(reversed(parts))


def _limited(encoded: bytes) -> bytes:
    if len(encoded) > _MAX:
        raise UnusableRecord(
            f"metadata of {len(encoded):,} bytes; expected at most {_MAX:,}, since each chunk "
            "carries a copy and MongoDB limits a document to 16 MiB"
        )
    return encoded


def _is_deeper(value: Any, most: int) -> bool:
    """Walk level by level, so that no depth exhausts the stack."""
    level = [value]
    for _ in range(most):
        level = [inner for outer in level for inner in _nested_in(outer)]
        if not level:
            return False
    return True


def _nested_in(outer: Any) -> list[Any]:
    values = outer.values() if isinstance(outer, Mapping) else outer
    if _NESTING.isdisjoint(map(type, values)):  # as nearly always, and ten times faster
        return []
    return [value for value in values if type(value) in _NESTING]
