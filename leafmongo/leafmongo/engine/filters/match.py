"""Matches clauses against columns: one pass over the column for each comparison."""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.filters.column import Entries, FilterColumn, Mask
from leafmongo.engine.filters.syntax import (
    AllOf,
    AnyOf,
    Clause,
    Equals,
    Exists,
    In,
    Not,
    Range,
)
from leafmongo.engine.filters.values import TERMS, Key, KeyKind, KeyList, KeyPart

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_INT64 = np.iinfo(np.int64)
_LARGEST_DOUBLE = np.finfo(np.float64).max


def match_clause(clause: Clause, columns: Mapping[str, FilterColumn], rows: int) -> Mask:
    """(rows,) booleans. No row has a path without a column."""
    match clause:
        case AllOf(clauses):
            return _combine(np.logical_and, True, clauses, columns, rows)
        case AnyOf(clauses):
            return _combine(np.logical_or, False, clauses, columns, rows)
        case Not(inner):
            return ~match_clause(inner, columns, rows)
    mask = np.zeros(rows, dtype=np.bool_)
    column = columns.get(clause.path)
    if column is None:
        return mask
    match clause:
        case Exists():
            mask[column.present.view] = True
        case Equals(_, key):
            _mark(mask, column, key, lambda entries, each: entries == each)
        case In(_, keys):
            _mark_any(mask, column, keys)
        case Range(_, symbol, key):
            _mark_range(mask, column, symbol, key)
    return mask


def _combine(
    join: Callable[..., Any],
    start: bool,
    clauses: tuple[Clause, ...],
    columns: Mapping[str, FilterColumn],
    rows: int,
) -> Mask:
    mask = np.full(rows, start, dtype=np.bool_)
    for clause in clauses:
        join(mask, match_clause(clause, columns, rows), out=mask)
    return mask


def _mark(
    mask: Mask, column: FilterColumn, key: Key, test: Callable[[NDArray[Any], Any], Mask]
) -> None:
    """Mark rows with an equal value; numbers are compared with integers and doubles."""
    for kind, value in _probes(key):
        entries = column.entries(kind)
        if entries is not None:
            wanted = entries.number(value) if kind in TERMS else value
            mask[entries.rows.view[test(entries.values.view, wanted)]] = True


def _probes(key: Key) -> list[tuple[KeyKind, Any]]:
    if key.kind is KeyKind.INT:
        return [(KeyKind.INT, key.value), (KeyKind.DOUBLE, float(key.value))]
    if key.kind is KeyKind.DOUBLE:
        whole = key.value.is_integer() and _INT64.min <= key.value <= _INT64.max
        probes: list[tuple[KeyKind, Any]] = [(KeyKind.DOUBLE, key.value)]
        return [*probes, (KeyKind.INT, _as_int64(key.value))] if whole else probes
    return [(key.kind, 0 if key.kind is KeyKind.NULL else key.value)]


def _mark_any(mask: Mask, column: FilterColumn, keys: tuple[Key, ...] | KeyList) -> None:
    """Mark rows with any of the values, in one pass for each kind.

    The server truncates a double of `$in` before it compares it with integers, so $in: [1.9]
    finds 1. $eq does not.
    """
    wanted: dict[KeyKind, list[NDArray[Any]]] = {}
    for kind, values in keys.parts if isinstance(keys, KeyList) else _by_kind(keys):
        for probed, probes in _many_probes(kind, values):
            entries = column.entries(probed)
            if entries is not None:
                if probed in TERMS:
                    probes = [entries.number(term) for term in probes]
                listed = np.asarray(probes, dtype=entries.values.view.dtype)
                wanted.setdefault(probed, []).append(listed)
    for kind, parts in wanted.items():
        entries = column.entries(kind)
        assert entries is not None
        mask[entries.rows.view[np.isin(entries.values.view, np.concatenate(parts))]] = True


def _by_kind(keys: Iterable[Key]) -> Iterable[KeyPart]:
    found: dict[KeyKind, list[Any]] = {}
    for key in keys:
        found.setdefault(key.kind, []).append(key.value)
    return found.items()


def _many_probes(kind: KeyKind, values: Any) -> list[KeyPart]:
    if kind is KeyKind.INT:
        integers = np.asarray(values, dtype=np.int64)
        return [(KeyKind.INT, integers), (KeyKind.DOUBLE, integers.astype(np.float64))]
    if kind is KeyKind.DOUBLE:
        doubles = np.asarray(values, dtype=np.float64)
        return [(KeyKind.DOUBLE, doubles), (KeyKind.INT, _integral(doubles))]
    return [(kind, values)]


def _integral(doubles: NDArray[np.float64]) -> NDArray[np.int64]:
    """Truncate doubles; those beyond int64 become its smallest or largest number."""
    known = doubles[~np.isnan(doubles)]
    within = (known >= -(2.0**63)) & (known < 2.0**63)
    beyond = np.where(known > 0, _INT64.max, _INT64.min)
    return np.where(within, np.where(within, known, 0).astype(np.int64), beyond)


def _as_int64(value: float) -> int:
    if np.isinf(value):
        return int(_INT64.max if value > 0 else _INT64.min)
    return max(int(_INT64.min), min(int(_INT64.max), int(value)))


def _mark_range(mask: Mask, column: FilterColumn, symbol: str, key: Key) -> None:
    kinds = (KeyKind.INT, KeyKind.DOUBLE)
    for kind in kinds if key.kind in kinds else (key.kind,):
        entries = column.entries(kind)
        if entries is not None:
            mask[entries.rows.view[in_range(entries, symbol, key.value)]] = True


def in_range(entries: Entries, symbol: str, bound: Any) -> Mask:
    """Which entries, not rows, are on that side of the bound; the bound is of their kind."""
    compare = _COMPARISONS[symbol]
    values = entries.values.view
    if entries.kind in TERMS:
        within = np.fromiter((compare(term, bound) for term in entries.terms), dtype=np.bool_)
        return np.asarray(within[values], dtype=np.bool_)
    if entries.kind is KeyKind.DOUBLE:
        # The open end of a range of doubles is the largest finite one, not infinity.
        bounded = (
            values <= _LARGEST_DOUBLE if symbol in ("$gt", "$gte") else (values >= -_LARGEST_DOUBLE)
        )
        return np.asarray(compare(values, float(bound)) & bounded, dtype=np.bool_)
    if isinstance(bound, float):
        return _integers_in_range(values, symbol, bound)
    return np.asarray(compare(values, bound), dtype=np.bool_)


def _integers_in_range(values: NDArray[np.int64], symbol: str, bound: float) -> Mask:
    """Compare with an equivalent integer bound, as int64 and float64 do not compare exactly."""
    if np.isnan(bound):
        return np.zeros(len(values), dtype=np.bool_)
    above = symbol in ("$gt", "$gte")
    if bound >= 2.0**63:
        return np.full(len(values), not above, dtype=np.bool_)
    if bound < -(2.0**63):
        return np.full(len(values), above, dtype=np.bool_)
    nearest = int(np.floor(bound)) if symbol in ("$gt", "$lte") else int(np.ceil(bound))
    return np.asarray(_COMPARISONS[symbol](values, nearest), dtype=np.bool_)
