"""What a process that serves has around it: a home that is its own, signals, many files."""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable

from leafmongo.deployment import disk
from leafmongo.deployment.locks import FileLock, holder
from leafmongo.deployment.paths import Home
from leafmongo.errors import LocalError


class Stopping:
    """Told to end by SIGTERM, Ctrl-C or a terminal that closes. Made in the event loop."""

    def __init__(self) -> None:
        self._told = asyncio.Event()
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(sign, self._told.set)

    async def within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            pass
        return self._told.is_set()


def serve_alone(home: Home, run: Callable[[], Awaitable[None]]) -> None:
    """Run it in this process until it ends; one process at a time serves a home."""
    with disk.explained(home.root):
        lock = FileLock(home.server_lock)
        if not lock.acquire():
            pid = holder(home.server_lock)
            raise LocalError(f"another process is running in {home.root}: {pid}")
        os.umask(0o077)
        _many_files()
        # Threads that decode documents must not hold up the relay for Python's usual 5 ms.
        sys.setswitchinterval(0.0005)
        try:
            asyncio.run(_run(run))
        finally:
            lock.release()


async def _run(run: Callable[[], Awaitable[None]]) -> None:
    await run()


def _many_files() -> None:
    """Two sockets for each client: as many as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
