"""Makes clients find what they wrote: searches wait until the indexes have passed the last write.

If a write has been answered since the last wait, a marker is written to mongod. It comes back
through the change stream, behind everything that was written before it.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable

log = logging.getLogger(__name__)


class Freshness:
    """Lives in the gateway's event loop; `on_marker` may be called from any thread."""

    def __init__(self, mark: Callable[[int], None], *, seconds: float = 5.0) -> None:
        self._mark = mark
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._markers = itertools.count(1)  # each follower recognises its own
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._writes = 0  # number of writes answered so far
        self._seen = 0  # number of writes known to be in the indexes
        self._any = 0
        self._by_collection: dict[str, int] = {}
        self._round: tuple[int, asyncio.Task[None]] | None = None

    def on_write(self, collection: str | None) -> None:
        """A write to collections of that name, or to any when None, has been answered."""
        self._writes += 1
        if collection is None:
            self._any = self._writes
        else:
            self._by_collection[collection] = self._writes

    async def wait(self, collection: str) -> None:
        """Wait until the indexes of that collection have its writes, `seconds` at most."""
        wanted = max(self._any, self._by_collection.get(collection, 0))
        if wanted <= self._seen:
            return
        if self._round is None or self._round[0] < wanted or self._round[1].done():
            self._round = (self._writes, self._loop.create_task(self._catch_up(self._writes)))
        await asyncio.shield(self._round[1])

    def on_marker(self, marker: int) -> None:
        """The change stream has reached that marker."""
        self._loop.call_soon_threadsafe(self._release, marker)

    def _release(self, marker: int) -> None:
        for waiting in [number for number in self._waiting if number <= marker]:
            future = self._waiting.pop(waiting)
            if not future.done():
                future.set_result(None)

    async def _catch_up(self, writes: int) -> None:
        marker = next(self._markers)
        future = self._waiting[marker] = self._loop.create_future()
        try:
            async with asyncio.timeout(self._seconds):
                await self._loop.run_in_executor(None, self._mark, marker)
                await future
        except TimeoutError:
            log.warning("the indexes are more than %.0f s behind the writes", self._seconds)
            return
        except Exception as error:
            log.warning("cannot wait for the indexes: %s", error)
            return
        finally:
            self._waiting.pop(marker, None)
        self._seen = max(self._seen, writes)
        if self._seen == self._writes:
            self._by_collection.clear()
