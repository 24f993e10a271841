"""Who holds a lock is known by a process id that must never be another's."""

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from leafmongo import LocalError
from leafmongo.deployment.process import FileLock, lock_holder


def test_a_lock_is_held_by_one_who_is_named(tmp_path: Path) -> None:
    one, other = (FileLock(tmp_path / "lock") for _ in range(2))

    assert one.acquire()
    assert not other.acquire()
    assert lock_holder(tmp_path / "lock") == os.getpid()
    one.release()
    assert lock_holder(tmp_path / "lock") is None
    assert other.acquire()
    other.release()


def test_a_holder_that_has_not_said_who_it_is_is_waited_for(tmp_path: Path) -> None:
    """Process 0 would be the whole group of the one who asks, to kill as well."""
    file = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(file, fcntl.LOCK_EX)

    def write() -> None:
        time.sleep(0.1)
        os.pwrite(file, b"12345", 0)

    writing = threading.Thread(target=write)
    writing.start()

    assert lock_holder(tmp_path / "lock") == 12345
    writing.join()
    os.close(file)


def test_one_that_never_says_it_is_an_error(tmp_path: Path) -> None:
    file = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(file, fcntl.LOCK_EX)

    with pytest.raises(LocalError, match="left no process id in it"):
        lock_holder(tmp_path / "lock")
    os.close(file)
