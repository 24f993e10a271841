"""Maximal marginal relevance: hits that are near the question and unlike each other."""

import numpy as np
from numpy.typing import NDArray

from leafsearch.vectors import Rows


def diverse_order(
    relevance: NDArray[np.floating], rows: Rows, *, count: int, diversity: float
) -> list[int]:
    """Positions of the `count` chosen, in order; `relevance` (n,) cosines, `rows` (n, d) unit rows.

    Carbonell and Goldstein, SIGIR 1998: each next one maximises
    (1 - diversity) * relevance - diversity * (its largest cosine to those already chosen).
    """
    chosen: list[int] = []
    nearest = np.full(len(rows), -1.0)  # cosine to the most similar one chosen so far
    left = np.ones(len(rows), dtype=bool)
    while len(chosen) < min(count, len(rows)):
        against = nearest if chosen else np.zeros(len(rows))
        worth = np.where(left, (1 - diversity) * relevance - diversity * against, -np.inf)
        best = int(np.argmax(worth))
        chosen.append(best)
        left[best] = False
        nearest = np.maximum(nearest, rows @ rows[best])
    return chosen
