"""Parses one document of a command: strict about types, exact about the place of an error.

Integral doubles count as integers, booleans never do; null counts as missing; names of enums are
case-sensitive. Every error has the dotted path, what is allowed and what was given.
"""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from leafmongo.engine.errors import Refused, definition_error

T = TypeVar("T")
INT32_MAX = 2**31 - 1


class Section:
    """The keys of `document`, which the user knows as `where.key`; remembers which were read."""

    def __init__(self, document: Mapping[str, Any], where: str = "") -> None:
        self._document = document
        self._where = where
        self._read: set[str] = set()

    @property
    def where(self) -> str:
        return self._where

    def has(self, key: str) -> bool:
        """True also for a null value."""
        return key in self._document

    def name(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def refused(self, key: str, text: str) -> Refused:
        return Refused(f'"{self.name(key)}" {text}')

    def value(self, key: str) -> Any:
        self._read.add(key)
        return self._document.get(key)

    def need(self, key: str, value: T | None) -> T:
        if value is None:
            raise self.refused(key, "is required")
        return value

    def text(self, key: str, *, empty: bool = False) -> str | None:
        value = self.value(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.refused(key, f"must be a string; {show(value)} was given")
        if not value and not empty:
            raise self.refused(key, "cannot be empty")
        return value

    def choice(self, key: str, allowed: Collection[str]) -> str | None:
        value = self.text(key, empty=True)
        if value is not None and value not in allowed:
            names = ", ".join(sorted(allowed))
            raise self.refused(key, f"must be one of [{names}]; {show(value)} was given")
        return value

    def integer(self, key: str) -> int | None:
        value = self.value(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refused(key, f"must be an integer; {show(value)} was given")
        if not math.isfinite(value) or value != int(value):
            raise self.refused(key, f"must be an integer; {value} was given")
        if not -INT32_MAX - 1 <= value <= INT32_MAX:
            raise self.refused(key, f"must fit in 32 bits; {value} was given")
        return int(value)

    def within(self, key: str, low: int, high: int) -> int | None:
        value = self.integer(key)
        if value is not None and not low <= value <= high:
            raise self.refused(key, f"must be within bounds [{low}..{high}]; {value} was given")
        return value

    def boolean(self, key: str) -> bool | None:
        value = self.value(key)
        if value is not None and not isinstance(value, bool):
            raise self.refused(key, f"must be a boolean; {show(value)} was given")
        return value

    def section(self, key: str) -> "Section | None":
        value = self.value(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.refused(key, f"must be a document; {show(value)} was given")
        return Section(value, self.name(key))

    def array(self, key: str) -> list[Any] | None:
        value = self.value(key)
        if value is not None and not isinstance(value, list):
            raise self.refused(key, f"must be an array; {show(value)} was given")
        return value

    def refuse_other_keys(self) -> None:
        """Call this after every known key has been read."""
        other = [f'"{self.name(key)}"' for key in self._document if key not in self._read]
        if len(other) == 1:
            raise Refused(f"unrecognized field {other[0]}")
        if other:
            raise Refused(f"unrecognized fields [{', '.join(other)}]")


def show(value: Any) -> str:
    """A value for a message: its repr if short, else its type."""
    text = repr(value)
    return text if len(text) <= 40 else f"a {type(value).__name__}"


def parse_definition_by(parse: Callable[[Section], T], definition: Any, context: str) -> T:
    """Parse an index definition with `parse`; CommandError if it is refused."""
    try:
        if not isinstance(definition, Mapping):
            raise Refused(f'"{context}" must be a document; {show(definition)} was given')
        return parse(Section(definition, context))
    except Refused as refused:
        raise definition_error(str(refused)) from refused
