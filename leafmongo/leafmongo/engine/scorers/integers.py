"""Scores of bit and int8 vectors, from exact integers.

Bits score (n - Hamming distance) / n, on words of 64 bits.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.arrays import Positions, Scores
from leafmongo.engine.scorers.kernels import Chosen, distances, products
from leafmongo.engine.scorers.scan import find_nearest
from leafmongo.engine.scorers.scoring import euclidean_score


@dataclass(frozen=True, eq=False)
class BitScorer:
    """`rows` is (n, words) uint64, unused bits 0; `query` has as many words."""

    rows: NDArray[np.uint64]
    dimensions: int
    query: NDArray[np.uint64]

    def scores(self, chosen: Chosen) -> Scores:
        return self._scores(self._closeness(chosen))

    def nearest(self, count: int, positions: Positions | None) -> tuple[Positions, Scores]:
        found, closeness = find_nearest(self._closeness, len(self.rows), count, positions)
        return found, self._scores(closeness)

    def _closeness(self, chosen: Chosen) -> NDArray[np.float32]:
        """Negated distances; float32 holds them exactly up to 2^24 dimensions."""
        return np.negative(distances(self.rows, self.query, chosen), dtype=np.float32)

    def _scores(self, closeness: NDArray[np.float32]) -> Scores:
        equal = self.dimensions + closeness.astype(np.float64)
        return (equal / self.dimensions).astype(np.float32)


def pack_words(packed: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """(n, bytes) packed bits as (n, words); the last word is padded with zeros."""
    missing = -packed.shape[1] % 8
    filled = np.pad(packed, ((0, 0), (0, missing)))
    return np.ascontiguousarray(filled).view(np.uint64)


def pack_signs(rows: NDArray[Any]) -> NDArray[np.uint64]:
    """One bit for each value: 1 if it is above zero."""
    return pack_words(np.packbits(rows > 0, axis=1))


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
        return find_nearest(self.scores, len(self.rows), count, positions)

    def sign_products(self, positions: Positions) -> NDArray[np.float64]:
        signs = np.where(self.rows[positions] > 0, 1.0, -1.0)
        return np.asarray(np.einsum("ij,j->i", signs, self.query.astype(np.float64)))
