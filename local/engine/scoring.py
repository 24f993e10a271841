"""Formulas from distances and products to scores, and what every way of scoring can do.

similarity   float32                     int8                          packed_bit
euclidean    1 / (1 + |a-b|^2)           the same on integers          (n - hamming) / n
cosine       max((1 + cos) / 2, 0)       (1 + cos) / 2                 -
dotProduct   max((1 + a.b) / 2, 0)       1/2 + a.b / (32768 n)         -
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from local.engine.top import Positions, Scores


class Scorer(Protocol):
    """One query against the vectors of one store, as they were when it was made."""

    def scores(self, positions: Positions) -> Scores:
        """The scores of these vectors, in this order."""
        ...

    def nearest(self, count: int, positions: Positions | None) -> tuple[Positions, Scores]:
        """The best of these vectors (None: of all), best first, the earlier of equals first."""
        ...


def euclidean_score(squared: NDArray[Any]) -> Scores:
    return np.asarray(1 / (1 + squared), dtype=np.float32)


def product_score(product: NDArray[Any]) -> Scores:
    """For cosines and for dot products of floats; a very long vector may score infinity."""
    with np.errstate(over="ignore"):
        return np.maximum((1 + product) / 2, 0).astype(np.float32)
