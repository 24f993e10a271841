"""Scores of float32 vectors: found fast in float32, settled in float64.

One matrix product is quick but rounds each row in its own way, so that equal vectors may differ
in the last bits, and the distance of a vector to itself need not be 0. It only decides who might
be among the best; those are scored again in float64, each row alone: einsum calls no BLAS.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from local.engine.scoring import euclidean_score, product_score
from local.engine.top import Positions, Scores, at_least, best

_BLOCK = 1024
_EPSILON = float(np.finfo(np.float32).eps)
_WORTH_GATHERING = 4  # copying the rows of less than a quarter beats multiplying all


@dataclass(frozen=True, eq=False)
class FloatScorer:
    """`rows` is (n, d) float32, `norms` the (n,) float64 lengths of the rows."""

    rows: NDArray[np.float32]
    norms: NDArray[np.float64]
    similarity: str
    query: NDArray[np.float32]

    def scores(self, positions: Positions) -> Scores:
        blocks = [
            self._block_scores(positions[start : start + _BLOCK])
            for start in range(0, len(positions), _BLOCK)
        ]
        return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.float32)

    def nearest(self, count: int, positions: Positions | None) -> tuple[Positions, Scores]:
        if positions is None:
            positions = np.arange(len(self.rows), dtype=np.int64)
        closeness, slack = self._closeness(positions)
        if np.isfinite(closeness).all():
            positions = positions[at_least(closeness, count, slack)]
        scores = self.scores(positions)
        order = best(scores, count)
        return positions[order], scores[order]

    def sign_products(self, positions: Positions) -> NDArray[np.float64]:
        """The query times the signs, +1 or -1, of these vectors.

        Signs all have the same length, so this ranks them for every similarity.
        """
        signs = np.where(self.rows[positions] > 0, 1.0, -1.0)
        return np.asarray(np.einsum("ij,j->i", signs, self.query.astype(np.float64)))

    def _block_scores(self, positions: Positions) -> Scores:
        block = self.rows[positions].astype(np.float64)
        query = self.query.astype(np.float64)
        if self.similarity == "euclidean":
            block -= query
            return euclidean_score(np.einsum("ij,ij->i", block, block))
        product = np.einsum("ij,j->i", block, query)
        if self.similarity == "cosine":
            product /= self.norms[positions] * np.sqrt((query**2).sum())
        return product_score(product)

    def _closeness(self, positions: Positions) -> tuple[NDArray[np.float64], float]:
        """Grows with the score; off by less than half the slack, rounding of scores included."""
        with np.errstate(over="ignore", invalid="ignore"):
            product = self._products(positions).astype(np.float64)
        norms = self.norms[positions]
        length = float(np.sqrt((self.query.astype(np.float64) ** 2).sum()))
        longest = float(norms.max(initial=0.0))
        error = 4 * (self.query.size + 4) * _EPSILON
        if self.similarity == "euclidean":
            squared = norms**2 + length**2 - 2 * product
            return -squared, error * (1 + (longest + length) ** 2)
        if self.similarity == "cosine":
            return np.maximum(product / (norms * length), -1), error
        return np.maximum(product, -1), error * (1 + longest * length)

    def _products(self, positions: Positions) -> NDArray[np.float32]:
        if len(positions) * _WORTH_GATHERING < len(self.rows):
            return self.rows[positions] @ self.query
        product = self.rows @ self.query
        return product if len(positions) == len(product) else product[positions]
