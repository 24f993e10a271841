"""Formulas from distances and products to scores, and what every way of scoring can do.

similarity   float32                     int8                          packed_bit
euclidean    1 / (1 + |a-b|^2)           the same on integers          (n - hamming) / n
cosine       max((1 + cos) / 2, 0)       (1 + cos) / 2                 -
dotProduct   max((1 + a.b) / 2, 0)       1/2 + a.b / (32768 n)         -
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.scorers.topk import Positions, Scores

_EPSILON = float(np.finfo(np.float32).eps)


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


def slack(similarity: str, dimensions: int, lengths: Any, length: float) -> Any:
    """How far apart scores may seem in float32 and yet be equal.

    In the unit of what they are computed from (product, cosine, squared distance), for float
    vectors of these `lengths`, one or an array of them, and a query of that `length`.
    """
    error = 4 * (dimensions + 4) * _EPSILON
    if similarity == "euclidean":
        return error * (1 + (lengths + length) ** 2)
    return error if similarity == "cosine" else error * (1 + lengths * length)
