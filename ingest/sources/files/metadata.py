"""The fields of a record that are not its text, title or id, as every chunk carries them."""

from collections.abc import Mapping
from typing import Any

import bson
from bson.errors import BSONError

from leafsearch.config.text import quote
from leafsearch.ingest.sources.files.kinds import UnusableRecord, kind

# Every chunk carries a copy. A document of MongoDB ends at 16 MiB, of which the text and the vector
# need some, and at 180 levels, of which the chunk itself is one.
_MAX = 15 * 2**20  # bytes
DEEPEST = 179  # levels of objects and arrays, the metadata itself being the first
TOO_DEEP = f"nested more than {DEEPEST} levels deep, which MongoDB does not hold"
_NESTING = frozenset({dict, list, tuple})


def opened(rest: dict[str, Any]) -> dict[str, Any]:
    """An object called `metadata` is opened, as BEIR and others write it."""
    inner = rest.pop("metadata", None)
    if not inner:
        return rest
    if not isinstance(inner, dict):
        raise UnusableRecord(f"field 'metadata' is {kind(inner)}; expected an object")
    if both := sorted(set(inner) & set(rest)):
        raise UnusableRecord(f"field {quote(both[0])} stands both beside and inside 'metadata'")
    return {**rest, **inner}


def encoded(metadata: Mapping[str, Any]) -> bytes:
    """As MongoDB holds it. Raises UnusableRecord for what it cannot hold."""
    if _is_deeper(metadata, DEEPEST):
        raise UnusableRecord(TOO_DEEP)
    try:
        found = bson.encode(metadata)
    except UnicodeEncodeError as error:
        raise not_unicode() from error
    except (BSONError, OverflowError, ValueError, TypeError, RecursionError) as error:
        raise UnusableRecord(f"metadata that MongoDB cannot hold: {error}") from error
    if len(found) > _MAX:
        raise UnusableRecord(
            f"metadata of {len(found):,} bytes; expected at most {_MAX:,}, since each chunk "
            "carries a copy and a document of MongoDB ends at 16 MiB"
        )
    return found


def _is_deeper(value: Any, most: int) -> bool:
    """Level by level, so that no depth exhausts the stack."""
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


def not_unicode() -> UnusableRecord:
    return UnusableRecord("not UTF-8, or half of a surrogate pair; expected valid Unicode")
