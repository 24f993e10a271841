"""After any kill, the next start has every acknowledged write and every index."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient, timeout
from pymongo.errors import ConnectionFailure

from leafmongo import LocalDeployment
from leafmongo.deployment.mongod import Mongod, end_leftover, find_leftover
from leafmongo.deployment.mongod_binary import find_mongod
from leafmongo.deployment.paths import Home, socket_uri
from leafmongo.deployment.process import lock_holder
from leafmongo.deployment.replica import connect
from mongotests.searching import (
    Documents,
    create,
    definition,
    entry,
    float32,
    stage,
    unit_rows,
    wait_for,
)

ROWS = unit_rows(200, 8)


def fill(client: MongoClient[dict[str, Any]]) -> Documents:
    documents: Documents = client["d"]["c"]
    documents.insert_many([{"_id": i, "v": float32(row)} for i, row in enumerate(ROWS)])
    create(documents, definition(8))
    documents.insert_one({"_id": "last", "v": float32(ROWS[0])})
    return documents


def assert_all_there(uri: str) -> None:
    with MongoClient[dict[str, Any]](uri) as client:
        documents: Documents = client["d"]["c"]
        wait_for(lambda: entry(documents)["status"] == "READY")
        search = stage(float32(ROWS[0]), limit=1000, exact=True)
        found = [hit["_id"] for hit in documents.aggregate([search])]
        assert len(found) == len(ROWS) + 1
        assert set(found[:2]) == {0, "last"}


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "victims",
    [pytest.param(["gateway"], marks=pytest.mark.long), ["gateway", "mongod"]],
    ids=" and ".join,
)
def test_restart_after_a_kill_has_everything(folder: Path, victims: list[str]) -> None:
    home = folder / "home"
    deployment = LocalDeployment(home)
    assert deployment.start()
    with MongoClient[dict[str, Any]](deployment.uri) as client:
        fill(client)
    status = deployment.status()

    for victim in victims:
        kill(status.gateway_pid if victim == "gateway" else status.mongod_pid)
    wait_for(lambda: lock_holder(Home.at(home).server_lock) is None)

    assert deployment.start()
    assert_all_there(deployment.uri)
    assert deployment.stop()


def test_killed_mongod_is_restarted(folder: Path) -> None:
    with LocalDeployment(folder / "home") as deployment:
        with MongoClient[dict[str, Any]](deployment.uri) as client:
            documents = fill(client)
            before = deployment.status()

            kill(before.mongod_pid)
            assert documents.find_one({"_id": "last"}) is not None
            documents.insert_one({"_id": "after", "v": float32(ROWS[0])})
            create(documents, definition(8), "after")
            documents.delete_one({"_id": "after"})

        assert_all_there(deployment.uri)
        after = deployment.status()
        assert after.gateway_pid == before.gateway_pid
        assert after.mongod_pid != before.mongod_pid


def test_gateway_does_not_connect_to_a_recovering_mongod(folder: Path) -> None:
    home = Home.at(folder / "home")
    home.prepare()
    mongod = Mongod(home, find_mongod(), with_login=False)
    mongod.start()
    try:
        mongod.wait_for_socket(seconds=60)
        with MongoClient[dict[str, Any]](socket_uri(home.mongod_socket)) as direct:
            wait_for(lambda: "isreplicaset" in direct.admin.command("hello"))

        with connect(home) as client, timeout(1), pytest.raises(ConnectionFailure):
            client.admin.command("ping")
    finally:
        mongod.stop()


def test_leftover_mongod_that_just_started_is_ended(folder: Path) -> None:
    """A killed gateway may leave a mongod that has not written anything yet."""
    home = Home.at(folder / "home")
    home.prepare()
    mongod = Mongod(home, find_mongod(), with_login=False)
    mongod.start()

    wait_for(lambda: find_leftover(home) == mongod.pid)
    end_leftover(home)

    assert find_leftover(home) is None
    assert mongod.exit_status() is not None


def test_concurrent_starts_start_one_deployment(folder: Path) -> None:
    home = folder / "home"
    started: list[bool] = []
    threads = [
        threading.Thread(target=lambda: started.append(LocalDeployment(home).start()))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(started) == [False, False, True]
    assert LocalDeployment(home).status().running
    assert LocalDeployment(home).stop()


def test_restart_in_a_moved_folder_keeps_everything(folder: Path) -> None:
    old = LocalDeployment(folder / "old")
    with old, MongoClient[dict[str, Any]](old.uri) as client:
        fill(client)

    assert not old.status().running
    (folder / "old").rename(folder / "new")

    with LocalDeployment(folder / "new") as moved:
        assert moved.uri != old.uri
        assert_all_there(moved.uri)
        with MongoClient[dict[str, Any]](moved.uri) as client:
            assert client.admin.command("hello")["hosts"] == [
                str(Home.at(folder / "new").gateway_socket)
            ]
