"""Scores of bit vectors: (n - Hamming distance) / n, on words of 64 bits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from local.engine.top import Positions, Scores, best

_BLOCK = 16384


@dataclass(frozen=True, eq=False)
class BitScorer:
    """`rows` is (n, words) uint64, unused bits 0; `query` has as many words."""

    rows: NDArray[np.uint64]
    dimensions: int
    query: NDArray[np.uint64]

    def scores(self, positions: Positions) -> Scores:
        return self._scores(self._distances(positions))

    def nearest(self, count: int, positions: Positions | None) -> tuple[Positions, Scores]:
        distances = self._distances(positions)
        order = best(-distances, count)
        scores = self._scores(distances[order])
        return (order if positions is None else positions[order]), scores

    def _scores(self, distances: NDArray[np.int64]) -> Scores:
        return ((self.dimensions - distances) / self.dimensions).astype(np.float32)

    def _distances(self, positions: Positions | None) -> NDArray[np.int64]:
        count = len(self.rows) if positions is None else len(positions)
        distances = np.empty(count, dtype=np.int64)
        for start in range(0, count, _BLOCK):
            stop = start + _BLOCK
            block = self.rows[start:stop] if positions is None else self.rows[positions[start:stop]]
            counts = np.bitwise_count(block ^ self.query)
            np.sum(counts, axis=1, dtype=np.int64, out=distances[start:stop])
        return distances


def words(packed: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """(n, bytes) packed bits as (n, words), the last word filled up with zeros."""
    missing = -packed.shape[1] % 8
    filled = np.pad(packed, ((0, 0), (0, missing)))
    return np.ascontiguousarray(filled).view(np.uint64)


def sign_words(rows: NDArray[np.float32]) -> NDArray[np.uint64]:
    """One bit for each value, 1 where it is above zero."""
    return words(np.packbits(rows > 0, axis=1))
