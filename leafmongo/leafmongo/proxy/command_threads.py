"""Threads for the work of commands, so that a large command does not hold up small ones."""

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import ParamSpec, TypeVar

from leafmongo.proxy.large_bson import STEP_BYTES

LARGE_BYTES = 2**20
_LARGE_AT_ONCE = 2
_COLLECT_SECONDS = 5.0

Given = ParamSpec("Given")
Result = TypeVar("Result")


class CommandThreads:
    """Large commands have their own threads and wait for each other.

    `size` is a command's bytes, known or estimated.
    """

    def __init__(self) -> None:
        self._large = ThreadPoolExecutor(_LARGE_AT_ONCE, thread_name_prefix="large-command")
        self._slots = asyncio.Semaphore(_LARGE_AT_ONCE)

    async def run(
        self, size: int, work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
    ) -> Result:
        """Run the work in a thread.

        For a large command a cancelled call still waits for the thread, which reads its arguments.
        """
        if size <= LARGE_BYTES:
            return await asyncio.to_thread(work, *given, **named)
        loop = asyncio.get_running_loop()
        return await _result(
            loop.run_in_executor(self._large, lambda: _without_collection(work, *given, **named))
        )

    async def run_short(
        self, size: int, work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
    ) -> Result:
        """Run the work at once if the command is too small to take long, else in a thread."""
        if size <= STEP_BYTES:
            return work(*given, **named)
        return await self.run(size, work, *given, **named)

    @asynccontextmanager
    async def command(self, size: int) -> AsyncIterator[None]:
        """Enclose a command from reading to freeing it.

        A large one waits for its turn: parsed, it may take many times the bytes of its message.
        """
        if size <= LARGE_BYTES:
            yield
            return
        async with self._slots:
            with _collector.spare():
                yield

    def close(self) -> None:
        self._large.shutdown(wait=False, cancel_futures=True)


async def _result(work: "asyncio.Future[Result]") -> Result:
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        work.exception()  # otherwise asyncio logs the exception as never retrieved
        raise cancelled
    return work.result()


def _without_collection(
    work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
) -> Result:
    with _collector.pause():
        return work(*given, **named)


class Collector:
    """Python's garbage collector, which visits all objects and lets no thread run meanwhile.

    By default it would run many times while a million values are read, none of them garbage.
    """

    def __init__(self, *, seconds: float = _COLLECT_SECONDS) -> None:
        self._lock = threading.Lock()
        self._pauses = self._spared = 0
        self._seconds = seconds
        self._collected = 0.0  # by time.monotonic()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Turn the collector off for a short time.

        Inside `spare` it then skips all objects that exist at the end of the pause.
        """
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
    def spare(self) -> Iterator[None]:
        """Spare the collector the objects of this block; it still collects every few seconds."""
        with self._lock:
            if not self._spared:
                self._collected = time.monotonic()
            self._spared += 1
        try:
            yield
        finally:
            with self._lock:
                self._spared -= 1
                overdue = time.monotonic() - self._collected >= self._seconds
                if overdue or not self._spared:
                    gc.unfreeze()
                if overdue and self._spared:
                    gc.collect()
                    self._collected = time.monotonic()


_collector = Collector()
