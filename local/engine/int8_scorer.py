"""Scores of int8 vectors: exact integers, computed by the float32 matrix product.

A float32 sum is exact below 2^24, that is over 1024 products of int8: longer vectors are summed
in pieces. numpy's own integer product would be ten times slower.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from local.engine.scoring import euclidean_score
from local.engine.top import Positions, Scores, best

_BLOCK = 2048
_EXACT = 1024


@dataclass(frozen=True, eq=False)
class Int8Scorer:
    """`squares` is the (n,) float64 sum of squares of each row, exact."""

    rows: NDArray[np.int8]
    squares: NDArray[np.float64]
    similarity: str
    query: NDArray[np.int8]

    def scores(self, positions: Positions) -> Scores:
        product = products(self.rows, self.query, positions)
        return self._scores(product, self.squares[positions])

    def nearest(self, count: int, positions: Positions | None) -> tuple[Positions, Scores]:
        if positions is None:
            scores = self._scores(products(self.rows, self.query, None), self.squares)
            order = best(scores, count)
            return order, scores[order]
        scores = self.scores(positions)
        order = best(scores, count)
        return positions[order], scores[order]

    def _scores(self, product: NDArray[np.float64], squares: NDArray[np.float64]) -> Scores:
        square = float((self.query.astype(np.float64) ** 2).sum())
        if self.similarity == "euclidean":
            return euclidean_score(squares + square - 2 * product)
        if self.similarity == "cosine":
            return ((1 + product / np.sqrt(squares * square)) / 2).astype(np.float32)
        return (0.5 + product / (self.query.size * 32768)).astype(np.float32)


def products(
    rows: NDArray[np.int8], query: NDArray[np.int8], positions: Positions | None
) -> NDArray[np.float64]:
    """Dot products of these rows (None: of all) with the query, as exact integers."""
    count = len(rows) if positions is None else len(positions)
    exact = np.zeros(count, dtype=np.float64)
    floats = query.astype(np.float32)
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        block = rows[start:stop] if positions is None else rows[positions[start:stop]]
        for column in range(0, len(query), _EXACT):
            piece = block[:, column : column + _EXACT].astype(np.float32)
            exact[start:stop] += piece @ floats[column : column + _EXACT]
    return exact
