"""Scores of int8 vectors, from products that are exact integers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.scorers.kernels import Chosen, products
from leafmongo.engine.scorers.scan import nearest
from leafmongo.engine.scorers.scoring import euclidean_score
from leafmongo.engine.scorers.topk import Positions, Scores


@dataclass(frozen=True, eq=False)
class Int8Scorer:
    """`squares` is the (n,) float64 sum of squares of each row, exact."""

    rows: NDArray[np.int8]
    squares: NDArray[np.float64]
    similarity: str
    query: NDArray[np.int8]

    def scores(self, chosen: Chosen) -> Scores:
        product, squares = products(self.rows, self.query, chosen), self.squares[chosen]
        square = float((self.query.astype(np.float64) ** 2).sum())
        if self.similarity == "euclidean":
            return euclidean_score(squares + square - 2 * product)
        if self.similarity == "cosine":
            return ((1 + product / np.sqrt(squares * square)) / 2).astype(np.float32)
        return (0.5 + product / (self.query.size * 32768)).astype(np.float32)

    def nearest(self, count: int, positions: Positions | None) -> tuple[Positions, Scores]:
        return nearest(self.scores, len(self.rows), count, positions)
