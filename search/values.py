"""Values in documents by dotted paths, as MongoDB's search server follows and compares them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from numbers import Real
from typing import Any
from uuid import UUID

from bson import Binary, DatetimeMS, ObjectId
from bson.binary import UUID_SUBTYPE

# Kinds that a filter knows, in the order in which to test Python's types.
_FILTERED: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "boolean"),
    (Real, "number"),
    (str, "string"),
    ((datetime, DatetimeMS), "date"),
    (ObjectId, "objectId"),
    (UUID, "UUID"),
    (type(None), "null"),
)


def values_at(document: Any, path: str) -> list[Any]:
    """Every value at the path, through sub-documents and arrays of them; [] without any."""
    name, _, rest = path.partition(".")
    if isinstance(document, list):
        return [value for each in document for value in values_at(each, path)]
    if not isinstance(document, Mapping):
        return []
    # A field may carry its dots in its name.
    found = [document[path]] if path in document and rest else []
    if name in document:
        found += values_at(document[name], rest) if rest else [document[name]]
    return found


def scalars_at(document: Any, path: str) -> list[Any]:
    """Every value at the path, with arrays taken apart, as filters see them."""
    return [scalar for value in values_at(document, path) for scalar in _flat(value)]


def paths_of(document: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every path to a value that is not a sub-document, with that value."""
    for name, value in document.items():
        parts: Sequence[Any] = value if isinstance(value, list) else [value]
        inner = [part for part in parts if isinstance(part, Mapping)]
        if inner:
            for part in inner:
                yield from paths_of(part, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def filtered_kind(value: Any) -> str | None:
    """The kind of a value in a filter, which compares only values of one kind; None: unusable."""
    if isinstance(value, Binary) and value.subtype == UUID_SUBTYPE:
        return "UUID"
    return next((name for types, name in _FILTERED if isinstance(value, types)), None)


def kind_of(value: Any) -> str:
    """The kind of any value, by a name for people."""
    other = "sub-document" if isinstance(value, dict) else type(value).__name__
    return filtered_kind(value) or other


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _flat(each)
    else:
        yield value
