"""Products and Hamming distances of many rows with one query: exact integers, on every core.

numkong (extra [local]) computes them as fast as memory gives the rows; numpy stands in where it is
missing, five to ten times slower.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from local.engine.top import Positions

try:
    import numkong
except ImportError:
    numkong = None  # type: ignore[assignment]

T = TypeVar("T")
Rows = NDArray[Any]
Figures = NDArray[np.float64]
Kernel = Callable[[Rows, Rows], Figures]
ACCELERATED = numkong is not None
_WORKERS = min(8, len(os.sched_getaffinity(0)))
_POOL = ThreadPoolExecutor(_WORKERS, thread_name_prefix="scan")
_WORTH_A_THREAD = 10_000  # rows; waking one takes as long as scanning some thousands
_BLOCK = 4096  # rows that numpy converts, or that are gathered, at a time
_EXACT = 1024  # products of int8 whose float32 sum is exact, being below 2^24


def in_parts(count: int, work: Callable[[slice], T]) -> list[T]:
    """`work` over all of `count` rows in consecutive parts; its results in their order."""
    parts = min(_WORKERS, count // _WORTH_A_THREAD)
    if parts < 2:
        return [work(slice(0, count))]
    ends = [count * part // parts for part in range(parts + 1)]
    return list(_POOL.map(work, map(slice, ends, ends[1:])))


def products(rows: Rows, query: Rows, positions: Positions | None) -> Figures:
    """Of int8 rows, those at `positions` (None: all)."""
    return _figures(product, rows, query, positions)


def distances(rows: Rows, query: Rows, positions: Positions | None) -> Figures:
    """Bits that differ between uint64 rows, those at `positions` (None: all), and the query."""
    return _figures(distance, rows, query, positions)


def _figures(kernel: Kernel, rows: Rows, query: Rows, positions: Positions | None) -> Figures:
    if positions is not None and 2 * len(positions) > len(rows):
        return _figures(kernel, rows, query, None)[positions]
    if positions is None:
        return np.concatenate(in_parts(len(rows), lambda part: kernel(rows[part], query)))

    def gathered(part: slice) -> Figures:
        blocks = range(part.start, part.stop, _BLOCK)
        chosen = [positions[start : min(start + _BLOCK, part.stop)] for start in blocks]
        found = [kernel(rows[block], query) for block in chosen]
        return np.concatenate(found) if found else np.empty(0)

    return np.concatenate(in_parts(len(positions), gathered))


def _numkong_product(rows: Rows, query: Rows) -> Figures:
    return _pairwise(rows, query, "dot", "int8")


def _numkong_distance(rows: Rows, query: Rows) -> Figures:
    return _pairwise(rows.view(np.uint8), query.view(np.uint8), "hamming", "uint1")


def _pairwise(
    rows: Rows, query: Rows, metric: Literal["dot", "hamming"], dtype: Literal["int8", "uint1"]
) -> Figures:
    if not len(rows):  # which numkong refuses
        return np.empty(0)
    return np.asarray(numkong.cdist(rows, query[None], metric, dtype=dtype))[:, 0]


def _numpy_product(rows: Rows, query: Rows) -> Figures:
    """By the float32 matrix product: numpy's own product of integers is ten times slower."""
    exact = np.zeros(len(rows))
    floats = query.astype(np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        for column in range(0, len(query), _EXACT):
            piece = block[:, column : column + _EXACT].astype(np.float32)
            exact[start : start + _BLOCK] += piece @ floats[column : column + _EXACT]
    return exact


def _numpy_distance(rows: Rows, query: Rows) -> Figures:
    exact = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        differing = np.bitwise_count(rows[start : start + _BLOCK] ^ query)
        exact[start : start + _BLOCK] = differing.sum(axis=1, dtype=np.int64)
    return exact


product: Kernel = _numkong_product if ACCELERATED else _numpy_product
distance: Kernel = _numkong_distance if ACCELERATED else _numpy_distance
