"""Locks on files: they vanish with the process that held them, however it ended."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leafmongo.errors import LocalError

_LOOKS, _PAUSE = 500, 0.002  # seconds


class FileLock:
    """An exclusive flock; the file holds the id of the process that has it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def acquire(self) -> bool:
        """At once or not at all."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
        except BlockingIOError:
            os.close(file)
            return False
        except OSError as error:  # a full disk, which the error does not name
            os.close(file)
            error.filename = str(self._path)
            raise
        self._file = file
        return True

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def holder(path: Path) -> int | None:
    """Who holds the lock, as a process id; None when it is free."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # Shared, so that two who merely ask do not take each other for the holder.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written(file, path)
    finally:
        os.close(file)
    return None


def _written(file: int, path: Path) -> int:
    """The id once it stays: that of an earlier holder is there for a moment, then none."""
    before = b""
    for _ in range(_LOOKS):
        told = os.pread(file, 20, 0)
        if told.isdigit() and told == before:
            return int(told)
        before = told
        time.sleep(_PAUSE)
    raise LocalError(f"{path} is locked by a process that does not say which it is; end it")


@contextmanager
def turn(path: Path, *, seconds: float) -> Iterator[None]:
    """Hold the lock, waiting for it."""
    lock = FileLock(path)
    deadline = time.monotonic() + seconds
    while not lock.acquire():
        if time.monotonic() > deadline:
            raise LocalError(
                f"process {holder(path)} has been starting or stopping this deployment for more "
                f"than {seconds:.0f} s; end it, then try again"
            )
        time.sleep(0.05)
    try:
        yield
    finally:
        lock.release()
