"""Errors name a full disk and its path in one line; with room again, everything works."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from leafmongo import LocalDeployment, LocalError
from leafmongo.deployment import disk
from leafmongo.deployment.mongod import Mongod
from leafmongo.deployment.paths import Home
from leafmongo.deployment.process import FileLock


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    at = folder / "disk"
    at.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", at], check=False)
    if mounted.returncode:
        pytest.skip("needs the right to mount a disk")
    yield at
    subprocess.run(["umount", at], check=True)


def test_error_without_a_file_gets_its_place(tmp_path: Path) -> None:
    with (
        pytest.raises(LocalError, match=rf"{tmp_path}: the disk is full \(\d+ MB free\)"),
        disk.explain_os_errors(tmp_path),
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"x")


def test_other_errors_name_their_file(tmp_path: Path) -> None:
    with (
        pytest.raises(LocalError, match=rf"{tmp_path}/none: no such file or directory; expected"),
        disk.explain_os_errors(Path("/")),
    ):
        (tmp_path / "none").read_bytes()


def start(home: Path) -> None:
    LocalDeployment(home).start()


def lock(home: Path) -> None:
    with disk.explain_os_errors(home.parent):
        FileLock(home.parent / "lock").acquire()


@pytest.mark.parametrize("action", [start, lock])
def test_full_disk_is_named(small_disk: Path, action: Callable[[Path], None]) -> None:
    with open(small_disk / "fill", "wb", buffering=0) as fill, suppress(OSError):
        while True:
            fill.write(bytes(4096))

    with pytest.raises(LocalError, match=rf"{small_disk}\S*: the disk is full \(0 MB free\)"):
        action(small_disk / "home")


@pytest.mark.parametrize(
    ("logged", "reason"),
    [
        ('{"s":"E","msg":"WiredTiger error message","attr":{"error":28,"mess', "the disk is full"),
        ('{"s":"F","msg":"Fatal"}\n{"s":"F","msg":"Half a li', "does not start: Fatal"),
        ('{"s":"F","msg":"Half a li', "it ended with status 14"),
    ],
)
def test_truncated_log_line_is_skipped(tmp_path: Path, logged: str, reason: str) -> None:
    home = Home.at(tmp_path / "home")
    home.prepare()
    (home.log / "mongod.err").touch()
    (home.log / "mongod.log").write_text(logged)

    said = Mongod(home, Path("mongod"), with_login=False).explain_end(14)

    assert reason in said
    assert os.fspath(home.root) in said
