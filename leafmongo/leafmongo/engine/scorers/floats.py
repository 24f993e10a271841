"""Scores of float32 vectors: selected fast in float32, computed in float64.

Of many vectors, the codes first select some hundreds that can be among the best. A matrix product
narrows these down: it is fast but rounds each row differently, so that equal vectors may differ in
the last bits and a vector's distance to itself need not be 0. The rest is scored in float64, each
row alone, by einsum, which does not call BLAS.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.arrays import Positions, Scores, best, near_best
from leafmongo.engine.scorers.coarse import Coarse
from leafmongo.engine.scorers.scoring import euclidean_score, product_score, slack

_BLOCK = 256  # rows whose float64 copies fit a core's cache
_WORTH_GATHERING = 4  # copying less than a quarter of the rows beats multiplying all
_WORTH_CODES = 32  # copying less than this share beats even scanning all codes
_FEW = 1024  # vectors that are faster to score than to narrow down
_LARGEST = 1e15  # float32 cannot tell apart the products or scores of longer vectors


@dataclass(frozen=True, eq=False)
class FloatScorer:
    """`rows` is (n, d) float32, `norms` the (n,) float64 lengths of the rows.

    `coarse` has the codes of the same rows, if the store keeps codes.
    """

    rows: NDArray[np.float32]
    norms: NDArray[np.float64]
    similarity: str
    query: NDArray[np.float32]
    coarse: Coarse | None = None

    def scores(self, positions: Positions) -> Scores:
        blocks = [
            self._block_scores(positions[start : start + _BLOCK])
            for start in range(0, len(positions), _BLOCK)
        ]
        return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.float32)

    def nearest(self, count: int, positions: Positions | None) -> tuple[Positions, Scores]:
        positions = self._contenders(count, positions)
        if len(positions) > max(count, _FEW):
            closeness, gap = self._closeness(positions)
            if np.isfinite(closeness).all():
                positions = positions[near_best(closeness, count, gap)]
        scores = self.scores(positions)
        order = best(scores, count)
        return positions[order], scores[order]

    def sign_products(self, positions: Positions) -> NDArray[np.float64]:
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

    def _contenders(self, count: int, positions: Positions | None) -> Positions:
        """A superset of those among `positions` (None: all) that can be the `count` best."""
        every = len(self.rows)
        chosen = every if positions is None else len(positions)
        worth_it = chosen > max(count, _FEW, every // _WORTH_CODES)
        longest = float(self.norms.max(initial=0.0)) + self._length
        if self.coarse is not None and worth_it and longest < _LARGEST:
            return self.coarse.contenders(self.query, count, _mask(positions, every))
        return np.arange(every, dtype=np.int64) if positions is None else positions

    def _closeness(self, positions: Positions) -> tuple[NDArray[np.float64], float]:
        """Values that grow with the score. Their error, rounding included, is below gap / 2."""
        with np.errstate(over="ignore", invalid="ignore"):
            product = self._products(positions).astype(np.float64)
        norms = self.norms[positions]
        longest = float(norms.max(initial=0.0))
        gap = slack(self.similarity, self.query.size, longest, self._length)
        if self.similarity == "euclidean":
            return 2 * product - norms**2 - self._length**2, gap
        if self.similarity == "cosine":
            return np.maximum(product / (norms * self._length), -1), gap
        return np.maximum(product, -1), gap

    @property
    def _length(self) -> float:
        return float(np.sqrt((self.query.astype(np.float64) ** 2).sum()))

    def _products(self, positions: Positions) -> NDArray[np.float32]:
        if len(positions) * _WORTH_GATHERING < len(self.rows):
            # BLAS would use threads for it, and wait for them on a busy machine.
            return np.asarray(np.einsum("ij,j->i", self.rows[positions], self.query))
        product = self.rows @ self.query
        return product if len(positions) == len(product) else product[positions]


def _mask(positions: Positions | None, count: int) -> NDArray[np.bool_] | None:
    if positions is None:
        return None
    mask = np.zeros(count, dtype=np.bool_)
    mask[positions] = True
    return mask
