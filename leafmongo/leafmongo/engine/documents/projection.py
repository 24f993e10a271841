"""The part of a collection's documents that an index needs to read."""

from collections.abc import Iterable
from typing import Any

from leafmongo.engine.definition import VectorDefinition, is_under


def projection(definition: VectorDefinition) -> dict[str, Any] | None:
    """For find(); None where whole documents are needed.

    Keys that literally have a dot in them are out of a projection's reach, so vectors and filter
    values there are only indexed from whole documents.
    """
    needed = [field.path for field in definition.fields]
    if definition.nested_root:
        needed.append(definition.nested_root)
    source = definition.stored_source
    if source is None or not source.exclude:
        paths = [*needed, *(source.paths if source else ()), "_id"]
        return {path: 1 for path in _outermost(paths)}
    needed.append("_id")
    spared = [path for path in source.paths if not any(_touch(path, other) for other in needed)]
    return {path: 0 for path in spared} or None


def _outermost(paths: Iterable[str]) -> list[str]:
    """MongoDB refuses a path together with one below it."""
    paths = sorted(set(paths))
    return [path for path in paths if not any(p != path and is_under(path, p) for p in paths)]


def _touch(path: str, other: str) -> bool:
    return is_under(path, other) or is_under(other, path)
