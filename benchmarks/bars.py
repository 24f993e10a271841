"""Measured figures beside the bars they have to meet, and the command line of each benchmark."""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.measuring import Spread, circumstances

Row = dict[str, Any]
Bench = TypeVar("Bench")


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
    if "left_out" in row:
        return f"{row['what']:<50} left out: {row['left_out']}"
    value = f"{row['median']:.4g} {row['unit']} ({row['low']:.3g} to {row['high']:.3g})"
    bar = f"bar: at {'least' if row['least'] else 'most'} {row['bar']:g}"
    return f"{row['what']:<50} {value:<30} {bar}  {'met' if row['met'] else 'MISSED'}"


def command(
    about: str,
    parts: Mapping[str, Callable[[Bench], Iterable[Row]]],
    bench: Callable[[bool], AbstractContextManager[Bench]],
    packages: Iterable[str],
) -> None:
    """Run `python -m benchmarks.NAME [--small] [--json FILE] [--only PART ...]` does.

    `bench` takes whether the run is --small, and returns the arguments of each part.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    given = parser.parse_args()
    machine = circumstances(*packages)
    rows = []
    with bench(given.small) as made:
        for name in given.only:
            for found in parts[name](made):
                rows.append(found)
                print(shown(found), flush=True)
    if given.json:
        given.json.write_text(json.dumps({**machine, "results": rows}, indent=2))
