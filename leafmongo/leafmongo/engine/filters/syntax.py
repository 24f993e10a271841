"""Parses filters into trees of clauses.

The language is a subset of MQL with its own rules: no $regex, $elemMatch, $size, $type, $expr;
values compare within their own kind only; a negation is the complement over all documents.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any

from leafmongo.engine.errors import Refused
from leafmongo.engine.filters.values import (
    Key,
    KeyKind,
    KeyList,
    equality_key,
    pack_keys,
    range_key,
)
from leafmongo.engine.parser import show


@dataclass(frozen=True)
class AllOf:
    clauses: tuple["Clause", ...]


@dataclass(frozen=True)
class AnyOf:
    clauses: tuple["Clause", ...]


@dataclass(frozen=True)
class Not:
    clause: "Clause"


@dataclass(frozen=True)
class Equals:
    path: str
    key: Key


@dataclass(frozen=True)
class Range:
    """`operator` is one of $gt, $gte, $lt, $lte."""

    path: str
    operator: str
    key: Key


@dataclass(frozen=True)
class In:
    path: str
    keys: tuple[Key, ...] | KeyList


@dataclass(frozen=True)
class Exists:
    path: str


Clause = AllOf | AnyOf | Not | Equals | Range | In | Exists

_RANGES = ("$gt", "$gte", "$lt", "$lte")
_MANY = 1000  # values; more are kept in a KeyList
MAX_CLAUSES = 1024  # comparisons of a filter; the real server's limit, from Lucene
_OPERATORS = ("$eq", "$ne", *_RANGES, "$in", "$nin", "$exists", "$not")


def parse_filter(document: Any, where: str = "filter") -> Clause:
    if not isinstance(document, Mapping):
        raise Refused(f"{where} must be a document; {show(document)} was given")
    if exceeds_limit(iter_leaves(document)):
        raise Refused(
            f'"{where}" has too many clauses; expected at most {MAX_CLAUSES}. '
            "Many values of one path are one clause with $in"
        )
    return _parse(document, where)


def iter_leaves(document: Any) -> Iterator[None]:
    """One item for each comparison. All values of an `$in` count as one, and so does `{}`."""
    if not isinstance(document, Mapping) or not document:
        yield None
        return
    for key, value in document.items():
        if key in ("$and", "$or", "$nor") and isinstance(value, list):
            for each in value:
                yield from iter_leaves(each)
        elif isinstance(value, Mapping) and value:
            yield from repeat(None, len(value))
        else:
            yield None


def exceeds_limit(clauses: Iterator[None]) -> bool:
    """Whether there are more than MAX_CLAUSES; does not count further."""
    return next(islice(clauses, MAX_CLAUSES, None), False) is None


def _parse(document: Any, where: str) -> Clause:
    if not isinstance(document, Mapping):
        raise Refused(f"{where} must be a document; {show(document)} was given")
    return _clause(document, where)


def required_paths(clause: Clause) -> Iterator[str]:
    """The paths that have to be indexed: all except those only compared with null."""
    match clause:
        case AllOf(clauses) | AnyOf(clauses):
            for each in clauses:
                yield from required_paths(each)
        case Not(inner):
            yield from required_paths(inner)
        case Equals(path, key):
            if key.kind is not KeyKind.NULL:
                yield path
        case Range(path=path) | In(path=path) | Exists(path=path):
            yield path


def _clause(document: Mapping[str, Any], where: str) -> Clause:
    parts = [_entry(key, value, f"{where}.{key}") for key, value in document.items()]
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _entry(key: str, value: Any, where: str) -> Clause:
    if key == "$and":
        return AllOf(_clauses(value, where))
    if key == "$or":
        return AnyOf(_clauses(value, where))
    if key == "$nor":
        return Not(AnyOf(_clauses(value, where)))
    return _condition(key, value, where)


def _clauses(value: Any, where: str) -> tuple[Clause, ...]:
    clauses = _elements(value, where)
    return tuple(_parse(clause, f"{where}[{i}]") for i, clause in enumerate(clauses))


def _condition(path: str, value: Any, where: str) -> Clause:
    if not isinstance(value, Mapping) or not any(key.startswith("$") for key in value):
        return Equals(path, equality_key(value, where))
    return _operators(path, value, where)


def _operators(path: str, document: Any, where: str) -> Clause:
    """Operators on one path; different elements of an array may satisfy them."""
    if not isinstance(document, Mapping) or not document:
        raise Refused(f'"{where}" must be a document of operators; {show(document)} was given')
    unknown = [f'"{where}.{key}"' for key in document if key not in _OPERATORS]
    if unknown:
        allowed = ", ".join(_OPERATORS)
        raise Refused(f"unrecognized field {', '.join(unknown)}; allowed are {allowed}")
    parts = [_operator(path, key, value, f"{where}.{key}") for key, value in document.items()]
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _operator(path: str, operator: str, value: Any, where: str) -> Clause:
    if operator in _RANGES:
        return Range(path, operator, range_key(value, where))
    match operator:
        case "$eq":
            return Equals(path, equality_key(value, where))
        case "$ne":
            return Not(Equals(path, equality_key(value, where)))
        case "$in":
            return In(path, parse_keys(value, where))
        case "$nin":
            return Not(In(path, parse_keys(value, where)))
        case "$not":
            return Not(_operators(path, value, where))
    if not isinstance(value, bool):
        raise Refused(f'"{where}" must be a boolean; {show(value)} was given')
    return Exists(path) if value else Not(Exists(path))


def parse_keys(value: Any, where: str) -> tuple[Key, ...] | KeyList:
    """Parse a list of one kind. Integers and doubles are the same kind; null is not allowed."""
    elements = _elements(value, where)
    keys: tuple[Key, ...] | KeyList
    if len(elements) > _MANY:
        keys = pack_keys(elements, where)
        found = keys.kinds
    else:
        keys = tuple(equality_key(each, f"{where}[{i}]") for i, each in enumerate(elements))
        found = {key.kind for key in keys}
    if KeyKind.NULL in found:
        raise Refused(f'"{where}" value type cannot be null')
    kinds = {KeyKind.INT if kind is KeyKind.DOUBLE else kind for kind in found}
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.value for kind in kinds))
        raise Refused(f'"{where}" must have elements of the same type; it has [{names}]')
    return keys


def _elements(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise Refused(f'"{where}" must be an array; {show(value)} was given')
    if not value:
        raise Refused(f'"{where}" cannot be empty')
    return value
