"""Between two stages that work at once: a queue that holds little and knows when to end."""

import queue
from collections.abc import Iterator
from threading import Event
from typing import Generic, TypeVar

_LOOK = 0.1  # seconds after which a stage that waits looks whether all is to stop

Item = TypeVar("Item")


class Stopped(Exception):
    """Another stage has failed, or whoever runs this wants to stop."""


class Channel(Generic[Item]):
    """`stop` is shared by all channels of a run: once set, both sides end with Stopped."""

    def __init__(self, size: int, stop: Event) -> None:
        self._items: queue.Queue[Item] = queue.Queue(size)
        self._stop = stop
        self._closed = Event()

    def put(self, item: Item) -> None:
        while not self._stop.is_set():
            try:
                return self._items.put(item, timeout=_LOOK)
            except queue.Full:
                continue
        raise Stopped

    def close(self) -> None:
        """No more will be put."""
        self._closed.set()

    def get(self) -> Item | None:
        """The next item; None when there will be none any more."""
        while not self._stop.is_set():
            if (item := self.at_hand()) is not None:
                return item
            if self._closed.is_set():
                return self.at_hand()  # what was put between the two looks
            try:
                return self._items.get(timeout=_LOOK)
            except queue.Empty:
                continue
        raise Stopped

    def at_hand(self) -> Item | None:
        """The next item if it is there already."""
        try:
            return self._items.get_nowait()
        except queue.Empty:
            return None

    def __iter__(self) -> Iterator[Item]:
        while (item := self.get()) is not None:
            yield item
