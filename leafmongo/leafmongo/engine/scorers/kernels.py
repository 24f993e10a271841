"""Products and Hamming distances of many rows with one query, as exact integers.

numkong computes them as fast as memory delivers the rows. Without it numpy does, five to ten times
slower.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.arrays import Positions

try:
    import numkong
except ImportError:
    numkong = None  # type: ignore[assignment]

Rows = NDArray[Any]
Figures = NDArray[np.float64]
Kernel = Callable[[Rows, Rows], Figures]
Chosen = slice | Positions
ACCELERATED = numkong is not None
_BLOCK = 4096  # rows converted or gathered at a time
_EXACT = 1024  # int8 products whose sum is below 2^24, and so exact in float32


def products(rows: Rows, query: Rows, chosen: Chosen) -> Figures:
    """Dot products of int8 rows with an int8 query."""
    return _figures(product, rows, query, chosen)


def distances(rows: Rows, query: Rows, chosen: Chosen) -> Figures:
    """Hamming distances of uint64 rows to the query."""
    return _figures(distance, rows, query, chosen)


def many_products(rows: Rows, queries: Rows) -> NDArray[np.int32]:
    """(n, q) dot products of int8 rows with several int8 queries; requires numkong."""
    if not len(rows):  # numkong refuses none
        return np.empty((0, len(queries)), dtype=np.int32)
    packed = numkong.dots_pack(queries, dtype="int8")
    return np.asarray(numkong.dots_packed(rows, packed))


def _figures(kernel: Kernel, rows: Rows, query: Rows, chosen: Chosen) -> Figures:
    if isinstance(chosen, slice):
        return kernel(rows[chosen], query)
    found = np.empty(len(chosen))
    for start in range(0, len(chosen), _BLOCK):
        block = chosen[start : start + _BLOCK]
        found[start : start + _BLOCK] = _block_figures(kernel, rows, query, block)
    return found


def _block_figures(kernel: Kernel, rows: Rows, query: Rows, block: Positions) -> Figures:
    first, end = int(block.min()), int(block.max()) + 1
    if end - first < 2 * len(block):  # most rows in between: no need to copy them
        return kernel(rows[first:end], query)[block - first]
    return kernel(rows[block], query)


def _numkong_product(rows: Rows, query: Rows) -> Figures:
    return many_products(rows, query[None])[:, 0].astype(np.float64)


def _numkong_distance(rows: Rows, query: Rows) -> Figures:
    if not len(rows):  # numkong refuses none
        return np.empty(0)
    bits, wanted = rows.view(np.uint8), query.view(np.uint8)
    return np.asarray(numkong.cdist(bits, wanted[None], "hamming", dtype="uint1"))[:, 0]


def _numpy_product(rows: Rows, query: Rows) -> Figures:
    """Use float32 matrix products, since numpy's integer products are ten times slower."""
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
