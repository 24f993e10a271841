"""What a MongoDB may do while it is written to: restart, go, run out of disk."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from leafmongo import LocalDeployment
from leaftests.ingest.running import HASHED, TOKENS, goes_on, is_whole, record, running, written
from leaftests.ingest.types import Run
from mongotests.searching import wait_for

AWAY = "leaf-ingest: MongoDB is unreachable ("
BACK = "leaf-ingest: MongoDB is back after "
_SOON = "&serverSelectionTimeoutMS=500"
_MEGABYTE = 10**6
_NOISE = 4000  # bytes of each record


@pytest.fixture
def database(
    deployment: LocalDeployment, request: pytest.FixtureRequest
) -> Iterator[Database[Any]]:
    deployment.start()
    with MongoClient[dict[str, Any]](deployment.uri + _SOON) as client:
        yield client[request.node.name[-30:]]


def test_a_run_survives_a_restart_of_mongod(
    deployment: LocalDeployment, database: Database[Any]
) -> None:
    with running(deployment.uri, database) as ingest:
        for _ in range(2):
            deployment.stop()
            deployment.start()
            goes_on(database)

        summary = ingest.finished()

        assert is_whole(database, ingest.fed)
        assert summary["documents"] == summary["encoded"] == ingest.fed
        assert summary["tokens"] == TOKENS * ingest.fed, "nothing is encoded twice"
        # A restart that is over within the driver's own patience is not reported.
        assert all(line.startswith((AWAY, BACK)) for line in ingest.errors)
        assert len(ingest.errors) <= 4


@pytest.mark.long
def test_a_mongod_that_stays_away_is_one_line_and_what_is_written_stays(
    deployment: LocalDeployment, database: Database[Any]
) -> None:
    with running(deployment.uri + _SOON, database, "--retry-for", 3) as ingest:
        deployment.stop()

        assert ingest.ended() == 1
        away, failed = ingest.errors

    assert away.startswith(AWAY)
    assert away.endswith("; retrying for up to 3 s")
    assert failed.startswith("leaf-ingest: MongoDB does not answer: ")
    assert "leaf-mongo start" in failed
    deployment.start()
    assert written(database) > 0


@pytest.mark.long
def test_an_interrupt_does_not_wait_for_an_unreachable_mongod(
    deployment: LocalDeployment, database: Database[Any]
) -> None:
    with running(deployment.uri, database) as ingest:
        deployment.stop()
        wait_for(lambda: ingest.errors)

        ingest.interrupt()

        assert ingest.ended(seconds=30) == 130
        assert ingest.errors[-1] == "leaf-ingest: interrupted; run it again to do the rest"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system in memory, of 400 MB, most of which mongod's journal takes at once."""
    folder = Path(tempfile.mkdtemp(prefix="leaf-", dir="/tmp"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", folder]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(
            f"only root can mount a disk that may be filled: {mounted.stderr.splitlines()[0]}"
        )
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
    folder.rmdir()


@pytest.mark.long
def test_a_full_disk_is_reported_and_with_room_made_the_rest_is_written(
    small_disk: Path, run: Run
) -> None:
    with (
        LocalDeployment(small_disk / "home") as small,
        MongoClient[dict[str, Any]](small.uri + _SOON) as client,
    ):
        database = client["full"]
        with running(small.uri + _SOON, database, "--retry-for", 3, noise=_NOISE) as ingest:
            fill(small_disk, but=_MEGABYTE)
            while not ingest.has_ended:
                with suppress(PyMongoError):  # else mongod would write to the disk in a minute
                    client.admin.command("fsync")
                time.sleep(0.1)

            assert ingest.ended() == 1
            fed, lines = ingest.fed, ingest.errors
        subprocess.run(["mount", "-o", "remount,size=1g", small_disk], check=True)
        small.start()
        stored = written(database)
        records = "".join(json.dumps(record(n, noise=_NOISE)) + "\n" for n in range(fed))
        options = {**HASHED, "MONGODB_URI": small.uri, "LEAF_DATABASE": database.name}
        done = run("leaf-ingest", "-", "--json", input=records, **options)

        assert done.returncode == 0, done.stderr
        summary = json.loads(done.stdout)
        assert is_whole(database, fed)
        assert 0 < summary["unchanged"] == stored == fed - summary["encoded"]
    assert "disk" in lines[-1]
    assert all(line.startswith("leaf-ingest: MongoDB") for line in lines)
    assert len(lines) <= 2


def fill(folder: Path, *, but: int) -> None:
    state = os.statvfs(folder)
    (folder / "filler").write_bytes(bytes(state.f_bavail * state.f_frsize - but))
