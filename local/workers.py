"""Threads for the work of searches, so that a large command holds up no small one."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

_SHORT_BYTES = 16 * 2**10  # read in less time than it takes to ask a thread
LARGE_BYTES = 2**20
_LARGE_AT_ONCE = 2

Given = ParamSpec("Given")
Result = TypeVar("Result")


class Workers:
    """Large commands have threads of their own and wait for each other; `size` is a command's
    bytes, or about what it will have."""

    def __init__(self) -> None:
        self._large = ThreadPoolExecutor(_LARGE_AT_ONCE, thread_name_prefix="large-command")

    async def run(
        self, size: int, work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
    ) -> Result:
        """In a thread."""
        if size <= LARGE_BYTES:
            return await asyncio.to_thread(work, *given, **named)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._large, lambda: _without_collection(work, *given, **named)
        )

    async def run_short(
        self, size: int, work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
    ) -> Result:
        """At once where the command is so small that it cannot take long."""
        if size <= _SHORT_BYTES:
            return work(*given, **named)
        return await self.run(size, work, *given, **named)

    @contextmanager
    def command(self, size: int) -> Iterator[None]:
        """Around all that is done for a command; what was read of a large one is kept meanwhile."""
        if size <= LARGE_BYTES:
            yield
            return
        with _collector.sparing():
            yield

    def close(self) -> None:
        self._large.shutdown(wait=False, cancel_futures=True)


def _without_collection(
    work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
) -> Result:
    with _collector.paused():
        return work(*given, **named)


class _Collector:
    """Python's garbage collector, which goes through all objects and lets no thread run meanwhile.
    It would often do so while a million values are read, none of which is garbage."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pauses = self._spared = 0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """For a short time. What there is at its end is not looked at again while `sparing`."""
        with self._lock:
            self._pauses += 1
            gc.disable()
        try:
            yield
        finally:
            with self._lock:
                self._pauses -= 1
                if self._spared:
                    gc.freeze()
                if not self._pauses:
                    gc.enable()

    @contextmanager
    def sparing(self) -> Iterator[None]:
        with self._lock:
            self._spared += 1
        try:
            yield
        finally:
            with self._lock:
                self._spared -= 1
                if not self._spared:
                    gc.unfreeze()


_collector = _Collector()
