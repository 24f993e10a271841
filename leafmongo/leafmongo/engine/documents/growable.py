"""A numpy array that rows can be appended to."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class GrowingArray:
    """Room doubles as needed. A view stays valid, and as it was, while more is appended."""

    def __init__(self, dtype: Any, width: int | None = None) -> None:
        self._shape = () if width is None else (width,)
        self._room: NDArray[Any] = np.empty((0, *self._shape), dtype=dtype)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    @property
    def view(self) -> NDArray[Any]:
        return self._room[: self._used]

    @property
    def nbytes(self) -> int:
        """Without the room that is still free, which the system has not given yet."""
        return self.view.nbytes

    def extend(self, rows: Any) -> None:
        rows = np.asarray(rows, dtype=self._room.dtype).reshape(-1, *self._shape)
        needed = self._used + len(rows)
        if needed > len(self._room):
            grown = np.empty((max(needed, 2 * self._used, 64), *self._shape), self._room.dtype)
            grown[: self._used] = self.view
            self._room = grown
        self._room[self._used : needed] = rows
        self._used = needed

    def replace(self, rows: NDArray[Any]) -> None:
        """All rows exchanged, in room of their own: older views keep the older rows."""
        self._room = np.array(rows, dtype=self._room.dtype)
        self._used = len(self._room)
