"""The type of a column: one for all its values, decided from them or asked for.

A value is a number, a date or a boolean only in the forms below; a column in which any value has
another form is text, with every value as it is written.

    integer   0, 12, -7                within 64 bits; not 007, +1, 1_000, 1,000
    float     1.50, -0.5, 1.5e3, 1e-05   also integers beside them; not 1e5 (may be a code), .5, 1,5
    boolean   true, false, TRUE, True
    date      2024-05-01, 2024-05-01T12:30:00Z, 2024-05-01 12:30 (UTC unless it says otherwise)

Blanks around a value do not count. An empty value decides nothing.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from leafsearch.config.text import is_unicode, quote

ColumnType = Literal["text", "integer", "float", "boolean", "date"]
COLUMN_TYPES: tuple[ColumnType, ...] = get_args(ColumnType)
# What stands for no value where a type is asked for.
MISSING = frozenset({"na", "n/a", "nan", "null", "none", "-", "\\n", "#n/a"})

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][-+]?[0-9]{1,4})?|[eE][-+][0-9]{1,4})?")
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[-+][0-9]{2}:[0-9]{2})?)?"
)
_ANY_INTEGER = re.compile(r"[-+]?[0-9]+")
_ANY_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?")
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+")
_BOOLEANS = {"true": True, "false": False}
_ANY_BOOLEAN = {**_BOOLEANS, "yes": True, "no": False, "1": True, "0": False}
_MOST_WHOLE = 2**63
_LONG = 16  # characters, of which a float may not hold all
_LOOKED_AT = 1000  # values of a text, to see what else the column holds
_KEPT_DIGITS = 17  # of a float
_BLANKS = " \t"
# Reasons why a value that looks like a number does not count as one.
_REASONS: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"-?0[0-9]+(?:\.[0-9]+)?"), "has a leading zero"),
    (re.compile(r"\+[0-9.]+"), "has a plus sign"),
    (re.compile(r"-?[0-9]{1,3}(?:[,.' ][0-9]{3})+(?:[.,][0-9]+)?"), "has marks between thousands"),
    (re.compile(r"-?[0-9]+,[0-9]+"), "has a decimal comma"),
    (re.compile(r"-?[0-9]+[eE][0-9]+"), "may be a code, without a point or a sign"),
    (re.compile(r"-?[0-9.,]+ ?%"), "is a percentage"),
    (re.compile(r"-?[0-9]+"), "is beyond 64 bits"),
)


@dataclass(frozen=True)
class DecidedColumn:
    """`why`: what makes the column text although other values of it, or its own look, are not."""

    name: str
    type: ColumnType
    why: str = ""


@dataclass(frozen=True)
class _Example:
    value: str
    line: int

    def __str__(self) -> str:
        return f"{shown(self.value)} in line {self.line:,}"


@dataclass
class _Column:
    """What the values of one column have shown so far."""

    name: str
    kinds: dict[str, _Example] = field(default_factory=dict)
    is_decided: bool = False  # no further value can change the type or its reason
    inexact: _Example | None = None  # the first integer that a float would round
    rounded: _Example | None = None  # the first fraction with more digits than a float keeps
    values_after_text: int = 0

    def add(self, values: Sequence[str], lines: Sequence[int]) -> None:
        for value in dict.fromkeys(values):
            kind = kind_of(value) if value else ""
            if not kind or (kind == "text" and not is_unicode(value)):
                continue  # the row of the latter is rejected
            if kind not in self.kinds:
                self.kinds[kind] = _Example(value, lines[values.index(value)])
            if len(value) >= _LONG:
                self._add_long(kind, _Example(value, lines[values.index(value)]))
        if "text" in self.kinds:
            self.values_after_text += len(values)
            self.is_decided = len(self.kinds) > 1 or self.values_after_text > _LOOKED_AT

    def _add_long(self, kind: str, example: _Example) -> None:
        if (
            kind == "integer"
            and self.inexact is None
            and int(float(example.value)) != int(example.value)
        ):
            self.inexact = example
        elif kind == "float" and self.rounded is None:
            digits = re.sub(r"[eE].*|[^0-9]", "", example.value).strip("0")
            self.rounded = example if len(digits) > _KEPT_DIGITS else None

    def decided(self) -> DecidedColumn | None:
        """None without any value."""
        kinds = dict(self.kinds)
        if "nan" in kinds and not {"integer", "float"}.isdisjoint(kinds):
            kinds["float"] = kinds.pop("nan")
        elif "nan" in kinds:
            kinds.setdefault("text", kinds.pop("nan"))
        if not kinds:
            return None
        if set(kinds) == {"integer", "float"}:
            if self.inexact:
                why = f"{self.inexact} would be rounded beside fractions"
                return DecidedColumn(self.name, "text", why)
            kinds.pop("integer")
        if len(kinds) == 1:
            (kind,) = kinds
            why = _looks(kinds["text"]) if kind == "text" else ""
            if kind == "float" and self.rounded:
                why = f"{self.rounded} is rounded to {_KEPT_DIGITS} digits"
            return DecidedColumn(self.name, _type(kind), why)
        if "text" in kinds:
            others = [kind for kind in kinds if kind != "text"]
            why = _looks(kinds["text"]) or f"{kinds['text']} is no {_PLAIN[others[0]]}"
            return DecidedColumn(self.name, "text", why)
        one, other, *_ = kinds.values()
        return DecidedColumn(self.name, "text", f"it holds {one} and {other}")


_PLAIN = {
    "integer": "number",
    "float": "number",
    "nan": "number",
    "boolean": "boolean",
    "date": "date",
}


class ColumnJudge:
    """Decides the types of columns from blocks of rows."""

    def __init__(self, names: Iterable[tuple[int, str]]) -> None:
        self._columns = [(place, _Column(name)) for place, name in names]

    @property
    def is_done(self) -> bool:
        return all(column.is_decided for _, column in self._columns)

    def add(self, rows: Sequence[Sequence[str]], lines: Sequence[int]) -> None:
        """Rows of the full width, and the number of each one's line."""
        for place, column in self._columns:
            if not column.is_decided:
                column.add([row[place] for row in rows], lines)

    def decided(self) -> list[DecidedColumn]:
        return [found for _, column in self._columns if (found := column.decided())]


def kind_of(value: str) -> str:
    """`integer`, `float`, `nan`, `boolean`, `date` or `text`."""
    value = value.strip(_BLANKS)
    if _INTEGER.fullmatch(value):
        if value == "-0":
            return "float"
        is_long = len(value) > 18
        return "text" if is_long and not _fits(value) else "integer"
    if _FLOAT.fullmatch(value):
        return "float" if abs(float(value)) != float("inf") else "text"
    lowered = value.lower()
    if lowered in _BOOLEANS:
        return "boolean"
    if lowered == "nan" and value in ("nan", "NaN", "NAN"):
        return "nan"
    if _DATE.fullmatch(value) and _date(value) is not None:
        return "date"
    return "text"


def _fits(digits: str) -> bool:
    return len(digits) <= 20 and -_MOST_WHOLE <= int(digits) < _MOST_WHOLE


def _type(kind: str) -> ColumnType:
    return next(name for name in COLUMN_TYPES if name == kind)


def _looks(example: _Example) -> str:
    value = example.value.strip(_BLANKS)
    reason = next((why for pattern, why in _REASONS if pattern.fullmatch(value)), "")
    return f"{example} {reason}" if reason else ""


def _date(value: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
        return found if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def shown(value: str) -> str:
    """A value in a message: as it is if it is short and plain."""
    is_plain = len(value) <= 30 and value.isprintable() and " " not in value
    return value if is_plain else quote(value)


Convert = Callable[[str], Any]


def converter(type: ColumnType) -> Convert:
    """Turns a value of a column that was decided to be of this type into what is stored. Raises
    ValueError."""
    return _DECIDED[type]


def asked_converter(type: ColumnType, *, decimal_comma: bool = False) -> Convert:
    """Converts to a type that was asked for: more forms fit, and marks of a missing value give
    None. `decimal_comma`: `1,5` is a number, since commas do not separate columns."""

    def convert(value: str) -> Any:
        plain = value.strip(_BLANKS)
        if not plain or plain.lower() in MISSING:
            return None
        if type == "float" and decimal_comma and _DECIMAL_COMMA.fullmatch(plain):
            plain = plain.replace(",", ".")
        return _ASKED[type](plain)

    return _as_written if type == "text" else convert


def _as_written(value: str) -> str:
    return value


def _to_date(value: str) -> datetime:
    value = value.strip(_BLANKS)
    found = _date(value) if _DATE.fullmatch(value) else None
    if found is None:
        raise ValueError(value)
    return found


def _to_boolean(value: str) -> bool:
    return _from(_BOOLEANS, value)


def _to_any_boolean(value: str) -> bool:
    return _from(_ANY_BOOLEAN, value)


def _from(known: Mapping[str, bool], value: str) -> bool:
    try:
        return known[value.strip(_BLANKS).lower()]
    except KeyError:
        raise ValueError(value) from None


def _to_integer(value: str) -> int:
    plain = value.strip(_BLANKS)
    if not _ANY_INTEGER.fullmatch(plain) or len(plain) > 1000:
        raise ValueError(value)
    number = int(plain)
    if not -_MOST_WHOLE <= number < _MOST_WHOLE:
        raise ValueError(value)
    return number


def _to_any_float(value: str) -> float:
    if not _ANY_FLOAT.fullmatch(value) or abs(number := float(value)) == float("inf"):
        raise ValueError(value)
    return number


_DECIDED: Mapping[ColumnType, Convert] = {
    "text": _as_written,
    "integer": int,
    "float": float,
    "boolean": _to_boolean,
    "date": _to_date,
}
_ASKED: Mapping[ColumnType, Convert] = {
    "integer": _to_integer,
    "float": _to_any_float,
    "boolean": _to_any_boolean,
    "date": _to_date,
}
