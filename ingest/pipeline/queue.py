"""Between two stages that work at once: a queue that holds little and knows when to end."""

import time
from collections import deque
from collections.abc import Iterator
from threading import Condition, Event
from typing import Generic, TypeVar

_LOOK = 0.1  # seconds after which a stage that waits looks whether all is to stop

Item = TypeVar("Item")


class Stopped(Exception):
    """Another stage has failed, or whoever runs this wants to stop."""


class Channel(Generic[Item]):
    """`stop` is shared by all channels of a run: once set, both sides end with Stopped."""

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
        """No more will be put."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def get(self, deadline: float | None = None) -> Item | None:
        """The next item; None if there is none until `deadline` (monotonic seconds), or ever."""
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
