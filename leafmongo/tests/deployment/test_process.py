"""The process id in a lock is always that of its holder."""

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from leafmongo import LocalError
from leafmongo.deployment.process import FileLock, lock_holder


def test_lock_names_its_holder(tmp_path: Path) -> None:
    one, other = (FileLock(tmp_path / "lock") for _ in range(2))

    assert one.acquire()
    assert not other.acquire()
    assert lock_holder(tmp_path / "lock") == os.getpid()
    one.release()
    assert lock_holder(tmp_path / "lock") is None
    assert other.acquire()
    other.release()


def test_lock_holder_waits_for_the_process_id(tmp_path: Path) -> None:
    """Killing process 0 would kill the caller's own process group."""
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


def test_lock_without_process_id_is_an_error(tmp_path: Path) -> None:
    file = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(file, fcntl.LOCK_EX)

    with pytest.raises(LocalError, match="left no process id in it"):
        lock_holder(tmp_path / "lock")
    os.close(file)
