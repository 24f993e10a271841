"""Measure which library scans all vectors fastest for one query; this decided the engine's method.

    scripts/install ingest,local,offline bench
    .venv/bin/python -m benchmarks.scan_libraries [--small] [--prefer] [--json FILE]

Finds the exact ten nearest of 100,000 and of a million vectors, for float32 and int8 with 256
dimensions and for 1024 bits. `engine` is what leafmongo does, filters and ties included. The
libraries alternate query by query, so that a busy machine is busy for all. The last column says
whether the ten are those of float64 arithmetic, in any order.
"""

import argparse
import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.gateway_corpora import Corpus, bit_rows, float_rows
from benchmarks.measuring import Spread, circumstances, preferred, timed
from benchmarks.scanners import SCANNERS, Scan, reference
from numpy.typing import NDArray

K = 10
_SIZES = {"100,000": 100_000, "1,000,000": 1_000_000}
_QUERIES = 25
Row = dict[str, Any]


def int8_rows(count: int) -> Corpus:
    floats = float_rows(count)
    return Corpus(
        *(
            np.rint(each * 400).clip(-127, 127).astype(np.int8)
            for each in (floats.rows, floats.queries)
        ),
        header=b"\x03\x00",
        dimensions=floats.dimensions,
        similarity="dotProduct",
    )


CORPORA: dict[str, Callable[[int], Corpus]] = {
    "256 float32": float_rows,
    "256 int8": int8_rows,
    "1024 bits": bit_rows,
}


def compared(kind: str, size: str, corpus: Corpus, *, prefer: bool) -> list[Row]:
    """One row for each library, all of them timed with the same queries in turns."""
    scans = {name: make(kind, corpus, K) for name, make in SCANNERS.items()}
    scans = {name: scan for name, scan in scans.items() if scan is not None}
    queries = corpus.queries[:_QUERIES]
    times: dict[str, list[float]] = {name: [] for name in scans}
    right = {name: 0 for name in scans}
    for query in queries:
        expected = reference(kind, corpus, query, K)
        for name, scan in scans.items():
            scan(query)  # starts its threads, too
            with preferred([os.getpid()]) if prefer else nullcontext():
                times[name].append(1e3 * timed(lambda: scan(query)))  # noqa: B023
            right[name] += _same(scan, query, expected)
    return [
        {"kind": kind, "vectors": size, "library": name, "right": right[name] / len(queries)}
        | vars(Spread.of(times[name]))
        for name in scans
    ]


def _same(scan: Scan, query: NDArray[Any], expected: NDArray[np.float64]) -> bool:
    """By how near they are, since several may be equally near."""
    return np.allclose(np.sort(scan(query)), np.sort(expected), rtol=1e-5, atol=1e-6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a twentieth of the vectors")
    parser.add_argument("--prefer", action="store_true", help="as root: over other work")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    machine = circumstances("numpy", "numkong", "faiss-cpu", "usearch")
    rows = []
    print("| vectors | of | library | median ms (quartiles) | right |\n|---|---|---|---|---|")
    for kind, make in CORPORA.items():
        for size, count in _SIZES.items():
            for row in compared(
                kind, size, make(count // (20 if given.small else 1)), prefer=given.prefer
            ):
                rows.append(row)
                print(line(row), flush=True)
    if given.json:
        given.json.write_text(json.dumps({**machine, "small": given.small, "rows": rows}, indent=2))


def line(row: Row) -> str:
    figure = Spread(row["median"], row["low"], row["high"])
    return (
        f"| {row['vectors']} | {row['kind']} | {row['library']} | {figure} | {row['right']:.0%} |"
    )


if __name__ == "__main__":
    main()
