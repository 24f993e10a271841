"""Scores of bit vectors: (n - Hamming distance) / n, on words of 64 bits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.scorers.kernels import Chosen, distances
from leafmongo.engine.scorers.scan import nearest
from leafmongo.engine.scorers.topk import Positions, Scores


@dataclass(frozen=True, eq=False)
class BitScorer:
    """`rows` is (n, words) uint64, unused bits 0; `query` has as many words."""

    rows: NDArray[np.uint64]
    dimensions: int
    query: NDArray[np.uint64]

    def scores(self, chosen: Chosen) -> Scores:
        return self._scores(self._closeness(chosen))

    def nearest(self, count: int, positions: Positions | None) -> tuple[Positions, Scores]:
        found, closeness = nearest(self._closeness, len(self.rows), count, positions)
        return found, self._scores(closeness)

    def _closeness(self, chosen: Chosen) -> NDArray[np.float32]:
        """Distances below zero; float32 has room for exact ones of 2^24 dimensions."""
        return np.negative(distances(self.rows, self.query, chosen), dtype=np.float32)

    def _scores(self, closeness: NDArray[np.float32]) -> Scores:
        equal = self.dimensions + closeness.astype(np.float64)
        return (equal / self.dimensions).astype(np.float32)


def words(packed: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """(n, bytes) packed bits as (n, words), the last word filled up with zeros."""
    missing = -packed.shape[1] % 8
    filled = np.pad(packed, ((0, 0), (0, missing)))
    return np.ascontiguousarray(filled).view(np.uint64)


def sign_words(rows: NDArray[np.float32]) -> NDArray[np.uint64]:
    """One bit for each value, 1 where it is above zero."""
    return words(np.packbits(rows > 0, axis=1))
