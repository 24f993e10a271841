"""Growing numpy arrays, and the largest of many scores."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
Scores = NDArray[np.float32]


class GrowingArray:
    """Rows can be appended; capacity doubles as needed. Appending leaves older views unchanged."""

    def __init__(self, dtype: Any, width: int | None = None) -> None:
        self._shape = () if width is None else (width,)
        self._buffer: NDArray[Any] = np.empty((0, *self._shape), dtype=dtype)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    @property
    def view(self) -> NDArray[Any]:
        return self._buffer[: self._used]

    @property
    def nbytes(self) -> int:
        """Without unused capacity, for which the system has not yet given memory."""
        return self.view.nbytes

    def extend(self, rows: Any) -> None:
        rows = np.asarray(rows, dtype=self._buffer.dtype).reshape(-1, *self._shape)
        needed = self._used + len(rows)
        if needed > len(self._buffer):
            grown = np.empty((max(needed, 2 * self._used, 64), *self._shape), self._buffer.dtype)
            grown[: self._used] = self.view
            self._buffer = grown
        self._buffer[self._used : needed] = rows
        self._used = needed

    def replace(self, rows: NDArray[Any]) -> None:
        """Replace all rows in a new buffer; older views keep the older rows."""
        self._buffer = np.array(rows, dtype=self._buffer.dtype)
        self._used = len(self._buffer)


def best(scores: NDArray[Any], count: int) -> Positions:
    """Indices of the `count` largest scores, largest first; ties in index order."""
    kept = near_best(scores, count)
    order = np.argsort(-scores[kept], kind="stable")
    return kept[order[:count]]


def near_best(scores: NDArray[Any], count: int, slack: float = 0.0) -> Positions:
    """Indices, ascending, of all scores at most `slack` below the `count`-th largest."""
    if count >= len(scores):
        return np.arange(len(scores), dtype=np.int64)
    threshold = np.partition(scores, len(scores) - count)[len(scores) - count]
    return np.flatnonzero(scores >= threshold - slack)
