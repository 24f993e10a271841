"""The fields of a record that are not its text, title or id, as every chunk carries them."""

from collections.abc import Mapping
from typing import Any

import bson
from bson.errors import BSONError

from ingest.kinds import UnusableRecord, kind

_MAX = 8 * 2**20  # bytes; every chunk carries a copy, and MongoDB ends at 16 MiB
_MAX_LISTED = 32  # a longer list is faster measured by the encoder
_UNKNOWN = 2 * _MAX


def opened(rest: dict[str, Any]) -> dict[str, Any]:
    """An object called `metadata` is opened, as BEIR and others write it."""
    inner = rest.pop("metadata", None)
    if not inner:
        return rest
    if not isinstance(inner, dict):
        raise UnusableRecord(f"field 'metadata' is {kind(inner)}; expected an object")
    if both := sorted(set(inner) & set(rest)):
        raise UnusableRecord(f"field {both[0]!r} stands both beside and inside 'metadata'")
    return {**rest, **inner}


def demand_storable(metadata: Mapping[str, Any]) -> None:
    """Raises UnusableRecord for what MongoDB cannot hold."""
    size = 0
    # Plain values, which are nearly all, need not be encoded to know that they can be.
    for name, value in metadata.items():
        size += _at_most(name) + _at_most(value) if "\0" not in name else _UNKNOWN
    if size > _MAX:
        encoded(metadata)


def encoded(metadata: Mapping[str, Any]) -> bytes:
    try:
        found = bson.encode(metadata)
    except UnicodeEncodeError as error:
        raise not_unicode() from error
    except (BSONError, OverflowError, ValueError, TypeError, RecursionError) as error:
        raise UnusableRecord(f"metadata that MongoDB cannot hold: {error}") from error
    if len(found) > _MAX:
        raise UnusableRecord(f"metadata of {len(found)} bytes; expected at most {_MAX}")
    return found


def not_unicode() -> UnusableRecord:
    return UnusableRecord("not UTF-8, or half of a surrogate pair; expected valid Unicode")


def _at_most(value: Any) -> int:
    """More bytes than the encoded value may have; _UNKNOWN where only the encoder can tell."""
    found = type(value)
    if found is str:
        return 8 + (len(value) if value.isascii() else _encoded_length(value))
    if found is int:
        return 16 if -(2**63) <= value < 2**63 else _UNKNOWN
    if found is float or found is bool or value is None:
        return 16
    if found is list and len(value) <= _MAX_LISTED:
        return 16 + 8 * len(value) + sum(map(_at_most, value))
    return _UNKNOWN


def _encoded_length(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return _UNKNOWN
