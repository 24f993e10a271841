"""The score formulas, and the contract of all scorers.

similarity   float32                     int8                          packed_bit
euclidean    1 / (1 + |a-b|^2)           the same on integers          (n - hamming) / n
cosine       max((1 + cos) / 2, 0)       (1 + cos) / 2                 -
dotProduct   max((1 + a.b) / 2, 0)       1/2 + a.b / (32768 n)         -
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.arrays import Positions, Scores

_EPSILON = float(np.finfo(np.float32).eps)


class Scorer(Protocol):
    """Scores a query against the vectors of a store, as of the scorer's creation."""

    def scores(self, positions: Positions) -> Scores:
        """The scores of these vectors, in their order."""
        ...

    def nearest(self, count: int, positions: Positions | None) -> tuple[Positions, Scores]:
        """The `count` best of these vectors (None: of all), best first, ties by position."""
        ...


class SignScorer(Scorer, Protocol):
    """Scores the candidates of a search by sign bits again, in two steps."""

    def sign_products(self, positions: Positions) -> NDArray[np.float64]:
        """Products of the query with the signs, +1 or -1, of these vectors.

        Vectors of signs all have the same length, so this ranks them for every similarity.
        """
        ...


def euclidean_score(squared: NDArray[Any]) -> Scores:
    return np.asarray(1 / (1 + squared), dtype=np.float32)


def product_score(product: NDArray[Any]) -> Scores:
    """The score of a cosine or a dot product of floats; very long vectors may score infinity."""
    with np.errstate(over="ignore"):
        return np.maximum((1 + product) / 2, 0).astype(np.float32)


def slack(similarity: str, dimensions: int, lengths: Any, length: float) -> Any:
    """How far apart two values may be in float32 although their scores are equal.

    The unit is that of the value which scores are computed from (product, cosine, squared
    distance). `lengths`, one or an array, are those of the vectors, `length` that of the query.
    """
    error = 4 * (dimensions + 4) * _EPSILON
    if similarity == "euclidean":
        return error * (1 + (lengths + length) ** 2)
    return error if similarity == "cosine" else error * (1 + lengths * length)
