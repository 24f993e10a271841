"""In front of a mongod with users, mongod decides who may search and who may change an index."""

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from local import listening
from local.binary import find_mongod
from local.builder import Builder
from local.catalog import Catalog
from local.commands import SearchCommands
from local.entrance import Connection, Entrance
from local.follower import Follower
from local.freshness import Freshness
from local.home import socket_uri
from local.indexes import Indexes
from local.lifecycle import Lifecycle
from tests.local.searching import definition, model, stage, wait_for

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
    """The URI of a gateway in front of it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    links: set[Connection] = set()
    with Client(socket_uri(guarded), connect=False) as client:
        opening = _open(client, folder / "gateway.sock", guarded, links)
        server = asyncio.run_coroutine_threadsafe(opening, loop).result()
        yield socket_uri(folder / "gateway.sock")
        asyncio.run_coroutine_threadsafe(_close(server, links), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _open(client: Client, at: Path, upstream: Path, links: set[Connection]) -> Any:
    async def admit(pid: int) -> None:
        assert pid > 0

    indexes = Indexes()
    nothing = {"reform": int, "reset": int, "reached": lambda marker: None}
    builder = Builder(client, Follower(client, indexes, **nothing))
    lifecycle = Lifecycle(Catalog(client), indexes, builder)

    async def dial(stream: Any) -> None:
        await asyncio.get_running_loop().create_unix_connection(stream, str(upstream))

    freshness = Freshness(lambda marker: None)
    commands = SearchCommands(indexes, lifecycle, freshness, admit)
    return await listening.on_socket(at, Entrance(dial, commands, links=links))


async def _close(server: Any, links: set[Connection]) -> None:
    server.close()
    for link in list(links):
        link.close()
    await asyncio.sleep(0.1)


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
def test_each_may_do_what_mongod_lets_them(
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
