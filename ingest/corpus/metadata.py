"""The fields of a record that are not its text, title or id, as every chunk carries them."""

from collections.abc import Mapping
from typing import Any

import bson
from bson.errors import BSONError

from ingest.corpus.kinds import UnusableRecord, kind

_MAX = 8 * 2**20  # bytes; every chunk carries a copy, and MongoDB ends at 16 MiB


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


def encoded(metadata: Mapping[str, Any]) -> bytes:
    """As MongoDB holds it. Raises UnusableRecord for what it cannot hold."""
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
