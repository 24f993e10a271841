"""A short queue between two stages that run at the same time; it knows when to end."""

import time
from collections import deque
from collections.abc import Iterator
from threading import Condition, Event
from typing import Generic, TypeVar

_LOOK = 0.1  # seconds between two looks of a waiting stage at `stop`

Item = TypeVar("Item")


class Stopped(Exception):
    """Another stage has failed, or the run is interrupted."""


class Channel(Generic[Item]):
    """All channels of a run share `stop`: once it is set, both sides raise Stopped."""

    def __init__(self, size: int, stop: Event) -> None:
        self._size = size
        self._stop = stop
        self._items: deque[Item] = deque()
        self._changed = Condition()
        self._closed = False

    def put(self, item: Item) -> None:
        with self._changed:
            while len(self._items) >= self._size and not self._stop.is_set():
                self._changed.wait(_LOOK)
            self._require_going()
            self._items.append(item)
            self._changed.notify_all()

    def close(self) -> None:
        """Announce that nothing more will be put."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def get(self, deadline: float | None = None) -> Item | None:
        """The next item; None if none arrives until `deadline` (monotonic seconds), or after the
        end."""
        with self._changed:
            while not (self._items or self._closed or self._stop.is_set()):
                if deadline is not None and time.monotonic() >= deadline:
                    return None
                self._changed.wait(_LOOK)
            self._require_going()
            return self._taken()

    def at_hand(self) -> Item | None:
        """The next item if it is there already."""
        with self._changed:
            return self._taken()

    def __iter__(self) -> Iterator[Item]:
        while (item := self.get()) is not None:
            yield item

    def _taken(self) -> Item | None:
        if not self._items:
            return None
        self._changed.notify_all()
        return self._items.popleft()

    def _require_going(self) -> None:
        if self._stop.is_set():
            raise Stopped
