"""Figures beside the bars that they are to meet, as a line and for the JSON."""

from typing import Any

from benchmarks.measuring import Spread

Row = dict[str, Any]


def row(
    what: str, found: Spread, bar: float, unit: str, *, least: bool = False, **more: Any
) -> Row:
    met = found.median >= bar if least else found.median <= bar
    return {
        "what": what,
        **vars(found),
        "unit": unit,
        "bar": bar,
        "least": least,
        "met": met,
        **more,
    }


def shown(row: Row) -> str:
    value = f"{row['median']:.4g} {row['unit']} ({row['low']:.3g} to {row['high']:.3g})"
    bar = f"bar: at {'least' if row['least'] else 'most'} {row['bar']}"
    return f"{row['what']:<50} {value:<30} {bar}  {'met' if row['met'] else 'MISSED'}"
