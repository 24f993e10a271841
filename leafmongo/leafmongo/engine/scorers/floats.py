"""Scores of float32 vectors: found fast in float32, settled in float64.

Among many vectors, their codes first leave some hundreds that can be among the best. Then one
matrix product, which is quick but rounds each row in its own way: equal vectors may differ in the
last bits, and the distance of a vector to itself need not be 0. It only decides who might be among
the best; those are scored again in float64, each row alone: einsum calls no BLAS.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.scorers.coarse import Coarse
from leafmongo.engine.scorers.scoring import euclidean_score, product_score, slack
from leafmongo.engine.scorers.topk import Positions, Scores, at_least, best

_BLOCK = 256  # whose float64 copies stay in a core's cache
_WORTH_GATHERING = 4  # copying the rows of less than a quarter beats multiplying all
_WORTH_CODES = 32  # and of less than this share even going through all codes
_FEW = 1024  # vectors that are settled in less time than it takes to leave some out
_LARGEST = 1e15  # longer vectors may have products or scores that float32 cannot tell apart


@dataclass(frozen=True, eq=False)
class FloatScorer:
    """`rows` is (n, d) float32, `norms` the (n,) float64 lengths of the rows.

    `coarse` has the codes of the same rows, where there are any.
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
                positions = positions[at_least(closeness, count, gap)]
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

    def _contenders(self, count: int, positions: Positions | None) -> Positions:
        """Those of `positions` (None: all) that can be among the `count` best, or more."""
        every = len(self.rows)
        chosen = every if positions is None else len(positions)
        worth_it = chosen > max(count, _FEW, every // _WORTH_CODES)
        longest = float(self.norms.max(initial=0.0)) + self._length
        if self.coarse is not None and worth_it and longest < _LARGEST:
            return self.coarse.contenders(self.query, count, _mask(positions, every))
        return np.arange(every, dtype=np.int64) if positions is None else positions

    def _closeness(self, positions: Positions) -> tuple[NDArray[np.float64], float]:
        """Grows with the score; off by less than half the gap, rounding of scores included."""
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
            # BLAS would wake threads for it, and wait for them where the machine is busy.
            return np.asarray(np.einsum("ij,j->i", self.rows[positions], self.query))
        product = self.rows @ self.query
        return product if len(positions) == len(product) else product[positions]


def _mask(positions: Positions | None, count: int) -> NDArray[np.bool_] | None:
    if positions is None:
        return None
    mask = np.zeros(count, dtype=np.bool_)
    mask[positions] = True
    return mask
