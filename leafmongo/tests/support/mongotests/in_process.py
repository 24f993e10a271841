"""A gateway in this process, for what cannot be set from outside; it has no change stream."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from leafmongo.deployment.paths import socket_uri
from leafmongo.indexes.builder import Builder
from leafmongo.indexes.catalog import Catalog
from leafmongo.indexes.commands import Lifecycle
from leafmongo.indexes.follower import Follower
from leafmongo.indexes.registry import Indexes
from leafmongo.proxy import sockets as listening
from leafmongo.proxy.context import Connection, Entrance
from leafmongo.proxy.idle import Patience
from leafmongo.queries.commands import SearchCommands
from leafmongo.queries.freshness import Freshness

Client = MongoClient[dict[str, Any]]


@contextmanager
def gateway(
    upstream: Path,
    at: Path,
    *,
    patience: float = 60.0,
    gathered_bytes: int = 2**29,
    unhurried: float = 60.0,
) -> Iterator[set[Connection]]:
    """In front of the mongod behind a socket; its living connections."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    links: set[Connection] = set()
    with Client(socket_uri(upstream), connect=False) as client:
        opening = _open(client, upstream, at, links, gathered_bytes, unhurried)
        server = asyncio.run_coroutine_threadsafe(opening, loop).result()
        looking = asyncio.run_coroutine_threadsafe(_look(Patience(links, seconds=patience)), loop)
        yield links
        looking.cancel()
        asyncio.run_coroutine_threadsafe(_close(server, links), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _open(
    client: Client,
    upstream: Path,
    at: Path,
    links: set[Connection],
    gathered_bytes: int,
    unhurried: float,
) -> Any:
    async def admit(pid: int) -> None:
        assert pid > 0

    async def dial(stream: Any) -> None:
        await asyncio.get_running_loop().create_unix_connection(stream, str(upstream))

    indexes = Indexes()
    nothing = {"reform": int, "reset": int, "reached": lambda marker: None}
    builder = Builder(client, Follower(client, indexes, **nothing))
    lifecycle = Lifecycle(Catalog(client), indexes, builder)
    commands = SearchCommands(indexes, lifecycle, Freshness(lambda marker: None), admit)
    entrance = Entrance(
        dial,
        commands,
        links=links,
        gathered_bytes=gathered_bytes,
        unhurried_seconds=unhurried,
    )
    return await listening.on_socket(at, entrance)


async def _look(patience: Patience) -> None:
    while True:
        patience.look()
        await asyncio.sleep(0.02)


async def _close(server: Any, links: set[Connection]) -> None:
    server.close()
    for link in list(links):
        link.abort()
    await asyncio.sleep(0.1)
