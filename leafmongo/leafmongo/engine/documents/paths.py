"""Dotted paths through documents, as the search process walks them.

Arrays are entered at any depth and are never indexed into: "a.0" is a key named "0". A literal key
with dots, {"a.b": 1}, has the same path as {"a": {"b": 1}}.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bson import DBRef

_DEEPEST = 100  # levels that MongoDB lets documents have
_OF_REFERENCES = frozenset({"$ref", "$id", "$db"})


def unusable(path: str) -> str | None:
    """Why MongoDB can read no such path out of its documents, None where it can."""
    first, *below = segments = path.split(".")
    if "" in segments:
        return f'has an empty name between, before or behind its dots: "{path}"'
    if first.startswith("$") or any(s[0] == "$" and s not in _OF_REFERENCES for s in below):
        return f'names a field that begins with $, which MongoDB does not project: "{path}"'
    if "\0" in path:
        return f"has a zero byte in it: {path!r}"
    if len(segments) > _DEEPEST:
        return f"has {len(segments)} levels; documents have at most {_DEEPEST}"
    return None


def values_at(document: Any, segments: Sequence[str]) -> Iterator[Any]:
    """Every value whose key ends the path; an array there comes as one value."""
    if isinstance(document, list):
        for element in document:
            if isinstance(element, Mapping | list | DBRef):
                yield from values_at(element, segments)
    elif isinstance(document, DBRef):  # as PyMongo reads a document with $ref and $id
        yield from values_at(document.as_doc(), segments)
    elif isinstance(document, Mapping):
        for length in range(1, len(segments)):
            key = segments[0] if length == 1 else ".".join(segments[:length])
            if key in document:
                yield from values_at(document[key], segments[length:])
        whole = ".".join(segments)
        if whole in document:
            yield document[whole]


def scalars(value: Any) -> Iterator[Any]:
    """The value, or what a nest of arrays holds; sub-documents are left to longer paths."""
    if isinstance(value, list):
        for element in value:
            yield from scalars(element)
    elif not isinstance(value, Mapping):
        yield value


def elements_at(document: Any, segments: Sequence[str]) -> Iterator[Any]:
    """The elements of the array at a path; what is no array is its own only element."""
    for value in values_at(document, segments):
        if isinstance(value, list):
            yield from value
        else:
            yield value
