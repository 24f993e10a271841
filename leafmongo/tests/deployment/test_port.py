"""A port is opt-in, on the loopback interface only, and requires a password."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from leafmongo import LocalDeployment, LocalError
from leafmongo.deployment.paths import Home
from mongotests.command import leaf_mongo
from mongotests.folders import short_folder
from mongotests.searching import create, definition, stage

Client = MongoClient[dict[str, Any]]
LOOPBACK = "0100007F"  # 127.0.0.1 as /proc/net/tcp has it


@pytest.fixture(scope="module")
def guarded() -> Iterator[LocalDeployment]:
    with short_folder() as folder, LocalDeployment(folder / "home", port=0) as deployment:
        yield deployment


@pytest.fixture
def tcp_uri(guarded: LocalDeployment) -> str:
    assert guarded.tcp_uri is not None
    return guarded.tcp_uri


def without_password(uri: str) -> str:
    return f"mongodb://{uri.rpartition('@')[2]}"


def home_of(deployment: LocalDeployment) -> Home:
    return Home.at(Path(deployment.status().home))


def test_everything_works_with_the_password(tcp_uri: str) -> None:
    with Client(tcp_uri) as client:
        documents = client["d"]["with"]
        documents.insert_many([{"_id": 1, "v": [1.0, 0.0]}, {"_id": 2, "v": [0.0, 1.0]}])
        create(documents, definition(2))
        with client.start_session() as session, session.start_transaction():
            documents.insert_one({"_id": 3, "v": [0.6, 0.8]}, session=session)

        found = documents.aggregate([stage([1.0, 0.0])])

        assert [hit["_id"] for hit in found] == [1, 3, 2]


def test_nothing_works_without_the_password(guarded: LocalDeployment, tcp_uri: str) -> None:
    for uri in (without_password(tcp_uri), without_password(guarded.uri)):
        with Client(uri) as client:
            for attempt in (
                lambda client=client: client.list_database_names(),
                lambda client=client: client.d.c.insert_one({}),
                lambda client=client: client.d.c.find_one(),
                lambda client=client: list(client.d.c.aggregate([stage([1.0, 0.0])])),
                lambda client=client: list(client.d.c.list_search_indexes()),
                lambda client=client: client.admin.command("createUser", "x", pwd="x", roles=[]),
            ):
                with pytest.raises(OperationFailure) as error:
                    attempt()
                assert error.value.code == 13


def test_indexes_are_hidden_without_the_password(tcp_uri: str) -> None:
    with Client(tcp_uri) as owner:
        documents = owner["d"]["secret"]
        documents.insert_one({"v": [1.0, 0.0]})
        create(documents, definition(2))
        with pytest.raises(OperationFailure, match="dimension"):
            documents.aggregate([stage([1.0, 0.0, 0.0])])

    with Client(without_password(tcp_uri)) as stranger:
        within = {"coll": "secret", "pipeline": [stage([1.0])]}
        for pipeline in ([stage([1.0, 0.0, 0.0])], [{"$unionWith": within}]):
            with pytest.raises(OperationFailure) as error:
                stranger["d"]["secret"].aggregate(pipeline)
            assert error.value.code == 13


def test_wrong_password_is_rejected(tcp_uri: str) -> None:
    with Client(without_password(tcp_uri), username="leaf", password="leaf") as client:
        with pytest.raises(OperationFailure) as error:
            client.list_database_names()
        assert error.value.code == 18


def test_discovering_client_stays_at_the_port(tcp_uri: str) -> None:
    with Client(tcp_uri.split("?")[0] + "?replicaSet=leaf") as client:
        client.admin.command("ping")
        ((host, port),) = client.nodes

    assert f"@{host}:{port}/" in tcp_uri


def test_it_listens_on_the_loopback_interface_and_nowhere_else(guarded: LocalDeployment) -> None:
    status = guarded.status()
    sockets = {
        os.readlink(entry)
        for pid in (status.gateway_pid, status.mongod_pid)
        for entry in Path(f"/proc/{pid}/fd").iterdir()
        if entry.is_symlink()
    }
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    lines += Path("/proc/net/tcp6").read_text().splitlines()[1:]
    listening = [
        fields[1].partition(":")
        for fields in map(str.split, lines)
        if f"socket:[{fields[9]}]" in sockets and fields[3] == "0A"
    ]

    assert [address for address, _, _ in listening] == [LOOPBACK]
    assert status.tcp_uri is not None
    assert f":{int(listening[0][2], 16)}/" in status.tcp_uri


def test_password_is_private_and_shown_on_request(guarded: LocalDeployment, tcp_uri: str) -> None:
    home = home_of(guarded)
    password = home.password
    assert password
    assert password in tcp_uri

    for file in (home.password_file, home.key_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for arguments in (["status"], ["status", "--json"]):
        shown = leaf_mongo(*arguments, "--home", home.root).stdout
        assert "leaf:***@127.0.0.1" in shown
        assert password not in shown
    shown = json.loads(
        leaf_mongo("status", "--show-password", "--json", "--home", home.root).stdout
    )
    assert (shown["uri"], shown["tcp_uri"]) == (guarded.uri, tcp_uri)
    assert leaf_mongo("uri", "--tcp", "--home", home.root).stdout.strip() == tcp_uri
    for file in (home.state, *home.log.iterdir()):
        assert password not in file.read_text("utf-8", "replace"), file
    for pid in (guarded.status().gateway_pid, guarded.status().mongod_pid):
        assert password.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.long
def test_port_can_be_added_and_removed(folder: Path) -> None:
    home = folder / "home"
    with LocalDeployment(home) as open_to_its_owner, Client(open_to_its_owner.uri) as client:
        client["d"]["c"].insert_one({"_id": 1, "v": [1.0, 0.0]})
        create(client["d"]["c"], definition(2))
        assert open_to_its_owner.tcp_uri is None
        with pytest.raises(LocalError, match="without a port"):
            LocalDeployment(home, port=0).start()

    started = leaf_mongo("start", "--port", "0", "--home", home)
    assert started.exit_code == 0
    uris = [started.stdout.strip()]
    assert "@127.0.0.1:" in uris[0]
    assert LocalDeployment(home, port=0).start() is False
    with pytest.raises(LocalError, match=r"expected port 1\."):
        LocalDeployment(home, port=1).start()
    uris.append(LocalDeployment(home).uri)
    for uri in uris:
        assert_found(uri)
    LocalDeployment(home).stop()

    with LocalDeployment(home) as again:
        assert again.uri == uris[1]
        assert_found(again.uri)
        assert_found(without_password(again.uri))
        assert leaf_mongo("uri", "--tcp", "--home", home).exit_code == 1


def assert_found(uri: str) -> None:
    with Client(uri) as client:
        documents = client["d"]["c"]
        create(documents, definition(2))
        assert [hit["_id"] for hit in documents.aggregate([stage([1.0, 0.0])])] == [1]


@pytest.mark.long
def test_changed_user_is_restored_at_the_next_start(folder: Path) -> None:
    deployment = LocalDeployment(folder / "home", port=0)
    for command in ({"dropUser": "leaf"}, {"updateUser": "leaf", "pwd": "another"}):
        with deployment, Client(deployment.uri) as client:
            client.admin.command(command)

    with deployment, Client(deployment.uri) as client:
        assert client.list_database_names()


def test_occupied_port_is_one_line(guarded: LocalDeployment, folder: Path) -> None:
    port = str(guarded.tcp_uri).rpartition(":")[2].partition("/")[0]

    failed = leaf_mongo("start", "--home", folder / "home", "--port", port)

    assert failed.exit_code == 1
    assert len(failed.stderr.splitlines()) == 1
    assert f"--port {port}" in failed.stderr
