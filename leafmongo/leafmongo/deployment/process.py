"""What a serving process needs around it: a home of its own, signals, many open files."""

import asyncio
import fcntl
import os
import resource
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from leafmongo.deployment import disk
from leafmongo.deployment.paths import Home
from leafmongo.errors import LocalError

_LOOKS, _PAUSE = 500, 0.002  # seconds


class FileLock:
    """An exclusive flock, which ends with the process that holds it. The file holds its id."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def acquire(self) -> bool:
        """Whether it was free; does not wait."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
        except BlockingIOError:
            os.close(file)
            return False
        except OSError as error:  # a full disk: the error does not name the file
            os.close(file)
            error.filename = str(self._path)
            raise
        self._file = file
        return True

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def lock_holder(path: Path) -> int | None:
    """The id of the process that holds the lock; None when it is free."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # Shared, so that two processes that look do not take each other for the holder.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_pid(file, path)
    finally:
        os.close(file)
    return None


def _read_pid(file: int, path: Path) -> int:
    """Read until two reads agree: the file still has the previous holder's id for a moment."""
    before = b""
    for _ in range(_LOOKS):
        written = os.pread(file, 20, 0)
        if written.isdigit() and written == before:
            return int(written)
        before = written
        time.sleep(_PAUSE)
    raise LocalError(f"{path}: locked by a process that left no process id in it. End that process")


@contextmanager
def hold_lock(path: Path, *, seconds: float) -> Iterator[None]:
    """Wait for the lock and hold it."""
    lock = FileLock(path)
    deadline = time.monotonic() + seconds
    while not lock.acquire():
        if time.monotonic() > deadline:
            raise LocalError(
                f"process {lock_holder(path)} has been starting or stopping this deployment for "
                f"more than {seconds:.0f} s. End it, then retry"
            )
        time.sleep(0.05)
    try:
        yield
    finally:
        lock.release()


class StopSignals:
    """Waits for SIGTERM, Ctrl-C or SIGHUP. Create it in the event loop."""

    def __init__(self) -> None:
        self._received = asyncio.Event()
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(sign, self._received.set)

    async def wait(self, seconds: float) -> bool:
        """Whether a signal has arrived, after so many seconds at most."""
        try:
            async with asyncio.timeout(seconds):
                await self._received.wait()
        except TimeoutError:
            pass
        return self._received.is_set()


def serve_alone(home: Home, run: Callable[[], Awaitable[None]]) -> None:
    """Run a server in this process until it ends; one process at a time serves a home."""
    with disk.explain_os_errors(home.root):
        lock = FileLock(home.server_lock)
        if not lock.acquire():
            pid = lock_holder(home.server_lock)
            raise LocalError(f"another process is running in {home.root}: {pid}")
        os.umask(0o077)
        _raise_file_limit()
        # Threads that decode documents must not hold up the proxy for Python's usual 5 ms.
        sys.setswitchinterval(0.0005)
        try:
            asyncio.run(_run(run))
        finally:
            lock.release()


async def _run(run: Callable[[], Awaitable[None]]) -> None:
    await run()


def _raise_file_limit() -> None:
    """A client takes two sockets, so raise the limit as far as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
