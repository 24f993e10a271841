"""Scores of int8 vectors, from products that are exact integers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from local.engine.kernels import products
from local.engine.scoring import euclidean_score
from local.engine.top import Positions, Scores, best


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
