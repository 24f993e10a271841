"""`equals`, `in`, `range` and `exists`, as they are written."""

from typing import Any

from leafmongo.engine.errors import Refused
from leafmongo.engine.filters.syntax import Equals, Exists, In, Range, listed_keys
from leafmongo.engine.filters.values import KeyKind, equality_key, range_key
from leafmongo.engine.parser import Section, shown
from leafmongo.engine.text.operators import AnyComparison, Between


def equals(section: Section) -> AnyComparison:
    refuse(section, "score", "doesNotAffect")
    path = section.need("path", section.text("path"))
    key = equality_key(_given(section, "value"), section.name("value"))
    return AnyComparison((Equals(path, key),))


def is_in(section: Section) -> AnyComparison:
    refuse(section, "score", "doesNotAffect")
    value = _given(section, "value")
    keys = listed_keys(value if isinstance(value, list) else [value], section.name("value"))
    return AnyComparison(tuple(In(path, keys) for path in strings(section, "path")))


def is_within(section: Section) -> AnyComparison:
    refuse(section, "score", "doesNotAffect")
    values = {key: section.value(key) for key in ("gt", "gte", "lt", "lte")}
    keys = {
        f"${key}": range_key(value, section.name(key))
        for key, value in values.items()
        if value is not None
    }
    if not keys or {"$gt", "$gte"} <= set(keys) or {"$lt", "$lte"} <= set(keys):
        raise Refused(f'"{section.where}" needs one of [gt, gte], one of [lt, lte] or both')
    kinds = {KeyKind.INT if key.kind is KeyKind.DOUBLE else key.kind for key in keys.values()}
    if len(kinds) > 1:
        raise Refused(f'"{section.where}" has bounds of different types')
    paths = strings(section, "path")
    return AnyComparison(
        tuple(Between(p, tuple(Range(p, each, key) for each, key in keys.items())) for p in paths)
    )


def exists(section: Section) -> AnyComparison:
    refuse(section, "score")
    return AnyComparison((Exists(section.need("path", section.text("path"))),))


def strings(section: Section, key: str) -> tuple[str, ...]:
    """One or an array of them."""
    value = _given(section, key)
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(each, str) and each for each in listed):
        raise section.refused(
            key, f"must be a string or an array of strings, none empty; {shown(value)} was given"
        )
    return tuple(listed)


def refuse(section: Section, *keys: str) -> None:
    for key in keys:
        if section.value(key) is not None:
            raise section.refused(key, "is not supported here")


def _given(section: Section, key: str) -> Any:
    """A value that may be null, but not missing."""
    if not section.has(key):
        raise section.refused(key, "is required")
    return section.value(key)
