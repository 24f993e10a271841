"""The best of many scores, and which of equals comes first."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
Scores = NDArray[np.float32]


def best(scores: NDArray[Any], count: int) -> Positions:
    """Indices of the `count` largest, largest first; the earlier of equal ones first."""
    kept = at_least(scores, count)
    order = np.argsort(-scores[kept], kind="stable")
    return kept[order[:count]]


def at_least(scores: NDArray[Any], count: int, slack: float = 0.0) -> Positions:
    """Indices, ascending, of all that are no more than `slack` below the `count`-th largest."""
    if count >= len(scores):
        return np.arange(len(scores), dtype=np.int64)
    threshold = np.partition(scores, len(scores) - count)[len(scores) - count]
    return np.flatnonzero(scores >= threshold - slack)
