"""Dotted paths into documents, as MongoDB's search server follows them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from search.doctor.stored import Stored, read


def values_at(document: Any, path: str) -> list[Any]:
    """Every value at the path, through sub-documents and arrays of them; [] where there is none."""
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
    """The same with arrays taken apart, which is how filters see them."""
    return [scalar for value in values_at(document, path) for scalar in _flat(value)]


def paths_of(document: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every path to a value that is no sub-document, with that value."""
    for name, value in document.items():
        parts: Sequence[Any] = value if isinstance(value, list) else [value]
        inner = [part for part in parts if isinstance(part, Mapping)]
        if inner:
            for part in inner:
                yield from paths_of(part, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def vector_paths(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where in these documents vectors may be, for a user who has misspelt the path."""
    found = {
        path
        for document in documents
        for path, value in paths_of(document)
        if isinstance(vector := read(value), Stored) and vector.dimensions > 1
    }
    return sorted(found)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _flat(each)
    else:
        yield value
