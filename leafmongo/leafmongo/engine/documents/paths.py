"""Dotted paths through documents, as the search process follows them.

A path enters arrays at any depth and never selects by position: "a.0" is a key named "0". A literal
key with dots, {"a.b": 1}, has the same path as {"a": {"b": 1}}.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bson import DBRef

_MAX_DEPTH = 100  # levels of a document, MongoDB's own limit
_REFERENCE_KEYS = frozenset({"$ref", "$id", "$db"})


def path_problem(path: str) -> str | None:
    """Why MongoDB cannot read this path from documents; None if it can."""
    first, *below = segments = path.split(".")
    if "" in segments:
        return f'has an empty name before, between or after its dots: "{path}"'
    if first.startswith("$") or any(s[0] == "$" and s not in _REFERENCE_KEYS for s in below):
        return f'names a field that begins with $, which MongoDB does not project: "{path}"'
    if "\0" in path:
        return f"contains a zero byte: {path!r}"
    if len(segments) > _MAX_DEPTH:
        return f"has {len(segments)} levels; documents have at most {_MAX_DEPTH}"
    return None


def values_at(document: Any, segments: Sequence[str]) -> Iterator[Any]:
    """Every value at the path; an array counts as one value."""
    if isinstance(document, list):
        for element in document:
            if isinstance(element, Mapping | list | DBRef):
                yield from values_at(element, segments)
    elif isinstance(document, DBRef):  # PyMongo's type for a document with $ref and $id
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
    """The value, or the values in nested arrays; sub-documents belong to longer paths."""
    if isinstance(value, list):
        for element in value:
            yield from scalars(element)
    elif not isinstance(value, Mapping):
        yield value


def elements_at(document: Any, segments: Sequence[str]) -> Iterator[Any]:
    """The elements of the array at a path; a value that is not an array is its own only element."""
    for value in values_at(document, segments):
        if isinstance(value, list):
            yield from value
        else:
            yield value
