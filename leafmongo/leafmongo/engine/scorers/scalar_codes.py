"""The 7-bit codes of a growing store, made when a search first needs them.

The quantiles are found again whenever the store has doubled; in between, new rows are coded with
the quantiles at hand. Recoding everything after every write would make each search pay for all.
"""

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.definition import VectorField
from leafmongo.engine.documents.growable import GrowingArray
from leafmongo.engine.scorers.scalar import Quantizer, ScalarScorer, calibrated

_BLOCK = 8192


class ScalarCodes:
    def __init__(self, field: VectorField) -> None:
        self._field = field
        self.forget()

    def forget(self) -> None:
        """The rows were renumbered."""
        self._quantizer = Quantizer(0.0, 0.0)
        self._calibrated_on = 0
        self._codes = GrowingArray(np.int8, self._field.dimensions)
        self._corrections = GrowingArray(np.float64)

    @property
    def nbytes(self) -> int:
        return self._codes.nbytes + self._corrections.nbytes

    def scorer(
        self, rows: NDArray[np.float32], norms: NDArray[np.float64], query: NDArray[np.float32]
    ) -> ScalarScorer:
        if len(rows) >= 2 * self._calibrated_on and len(rows) > self._calibrated_on:
            self.forget()
            self._quantizer = calibrated(rows, norms if self._normalised else None)
            self._calibrated_on = len(rows)
        for start in range(len(self._codes), len(rows), _BLOCK):
            self._extend(rows[start : start + _BLOCK], norms[start : start + _BLOCK])
        if self._normalised:
            query = (query / np.sqrt((query.astype(np.float64) ** 2).sum())).astype(np.float32)
        return ScalarScorer(
            self._codes.view,
            self._corrections.view,
            self._quantizer,
            self._field.similarity,
            query,
        )

    @property
    def _normalised(self) -> bool:
        """Cosine is the product of unit vectors, and they are what is coded."""
        return self._field.similarity == "cosine"

    def _extend(self, rows: NDArray[np.float32], norms: NDArray[np.float64]) -> None:
        if self._normalised:
            rows = (rows / norms[:, None]).astype(np.float32)
        codes = self._quantizer.codes(rows)
        self._codes.extend(codes)
        if self._field.similarity == "euclidean":
            self._corrections.extend((codes.astype(np.float64) ** 2).sum(axis=1))
        else:
            self._corrections.extend(self._quantizer.corrections(rows, codes))
