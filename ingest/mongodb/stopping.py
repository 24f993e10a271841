"""Ending on SIGINT or SIGTERM between two pieces of work, and at once while only waiting."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """Whoever waits is to end; no error, so nothing that catches those may swallow it."""


class Stop:
    """Hears the signals while it is entered; a second one interrupts as if nobody heard."""

    def __init__(self) -> None:
        self.is_set = False
        self._is_waiting = False
        self._before: list[Any] = []

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Raises Stopped in here, at once or as soon as a signal comes."""
        self._is_waiting = True
        try:
            if self.is_set:
                raise Stopped
            yield
        finally:
            self._is_waiting = False

    def __enter__(self) -> Self:
        self._before = [signal.signal(each, self._hear) for each in _SIGNALS]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each, before in zip(_SIGNALS, self._before, strict=True):
            signal.signal(each, before)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.is_set:
            raise KeyboardInterrupt
        self.is_set = True
        if self._is_waiting:
            raise Stopped
