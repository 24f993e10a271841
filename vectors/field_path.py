"""Fields of a document by path: `doc.text`, also inside arrays of objects.

A field that carries the dots in its own name comes first, as MongoDB has it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

BETWEEN_TEXTS = "\n\n"


def take_values(record: dict[str, Any], path: str) -> list[Any]:
    """Remove every value at the path and return them; several only from arrays of objects.

    Objects and arrays on the way are copied, and go where nothing is left in them.
    """
    if path in record:
        return [record.pop(path)]
    name, _, below = path.partition(".")
    if not below or name not in record:
        return []
    left, found = _without(record[name], below)
    if found and left:
        record[name] = left
    elif found:
        del record[name]
    return found


def _without(value: Any, path: str) -> tuple[Any, list[Any]]:
    """What is left of a value, and what was found in it."""
    if isinstance(value, Mapping):
        copied = dict(value)
        return copied, take_values(copied, path)
    if not isinstance(value, list):
        return value, []
    left, found = [], []
    for each in value:
        rest, inside = _without(each, path)
        found += inside
        if rest or not inside:
            left.append(rest)
    return left, found


def join_texts(texts: Iterable[str]) -> str:
    """One text of several fields; empty ones are left out."""
    return BETWEEN_TEXTS.join(filter(None, texts))
