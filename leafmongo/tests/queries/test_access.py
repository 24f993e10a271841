"""In front of a mongod with users, mongod decides who may search and who may change an index."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from leafmongo.deployment.mongod_binary import find_mongod
from leafmongo.deployment.paths import socket_uri
from mongotests import in_process
from mongotests.searching import definition, model, stage, wait_for

Client = MongoClient[dict[str, Any]]


@pytest.fixture
def guarded(folder: Path) -> Iterator[Path]:
    """The socket of a mongod that asks for passwords, with a reader and a writer of database d."""
    socket = folder / "mongod.sock"
    (folder / "db").mkdir()
    command = [find_mongod(), "--auth", "--dbpath", folder / "db", "--bind_ip", socket]
    with subprocess.Popen([*command, "--nounixsocket"], stdout=subprocess.DEVNULL) as process:
        wait_for(socket.exists)
        with Client(socket_uri(socket)) as client:
            client.admin.command("createUser", "root", pwd="x", roles=["root"])
        with Client(socket_uri(socket), username="root", password="x") as client:
            for name, role in (("reader", "read"), ("writer", "readWrite")):
                client.d.command("createUser", name, pwd="x", roles=[role])
        yield socket
        process.terminate()


@pytest.fixture
def gateway(guarded: Path, folder: Path) -> Iterator[str]:
    """The URI of a gateway in front of that mongod."""
    with in_process.gateway(guarded, folder / "gateway.sock"):
        yield socket_uri(folder / "gateway.sock")


def code_of(action: Any) -> int | None:
    try:
        action()
    except OperationFailure as error:
        return error.code
    return None


@pytest.mark.parametrize(
    ("user", "search", "listing", "create", "drop"),
    [(None, 13, 13, 13, 13), ("reader", None, None, 13, 13), ("writer", None, None, 8, 27)],
)
def test_clients_have_the_rights_that_mongod_grants(
    gateway: str,
    user: str | None,
    search: int | None,
    listing: int | None,
    create: int,
    drop: int,
) -> None:
    login = {"username": user, "password": "x", "authSource": "d"} if user else {}
    with Client(gateway, **login) as client:
        documents = client.d.documents
        found = (
            code_of(lambda: list(documents.aggregate([stage([1.0])]))),
            code_of(lambda: list(documents.list_search_indexes())),
            code_of(lambda: documents.create_search_index(model(definition(0)))),
            code_of(lambda: documents.drop_search_index("default")),
        )

    assert found == (search, listing, create, drop)
