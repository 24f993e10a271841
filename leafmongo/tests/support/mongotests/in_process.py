"""A gateway in this process, for settings that no option has; without a change stream."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from leafmongo.deployment.paths import socket_uri
from leafmongo.indexes.build import IndexBuilder
from leafmongo.indexes.catalog import Catalog
from leafmongo.indexes.commands import IndexCommands
from leafmongo.indexes.follower import Follower
from leafmongo.indexes.registry import IndexRegistry
from leafmongo.proxy.context import ListenerContext
from leafmongo.proxy.idle import IdleReaper, LiveConnections
from leafmongo.proxy.sockets import listen_on_socket
from leafmongo.queries.commands import SearchCommands
from leafmongo.queries.freshness import Freshness

Client = MongoClient[dict[str, Any]]


@contextmanager
def gateway(
    upstream: Path,
    at: Path,
    *,
    idle_seconds: float = 60.0,
    buffer_bytes: int = 2**29,
    slow_seconds: float = 60.0,
) -> Iterator[LiveConnections]:
    """Run a gateway in front of the mongod behind a socket; its live connections."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    live = LiveConnections(buffer_bytes=buffer_bytes, slow_seconds=slow_seconds)
    with Client(socket_uri(upstream), connect=False) as client:
        opening = _open(client, upstream, at, live)
        server = asyncio.run_coroutine_threadsafe(opening, loop).result()
        reaper = IdleReaper(live, seconds=idle_seconds)
        reaping = asyncio.run_coroutine_threadsafe(_reap(reaper), loop)
        yield live
        reaping.cancel()
        asyncio.run_coroutine_threadsafe(_close(server, live), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _open(client: Client, upstream: Path, at: Path, live: LiveConnections) -> Any:
    async def admit(pid: int) -> None:
        assert pid > 0

    async def dial(stream: Any) -> None:
        await asyncio.get_running_loop().create_unix_connection(stream, str(upstream))

    registry = IndexRegistry()
    ignored = {"on_reload": int, "on_gap": int, "on_marker": lambda marker: None}
    builder = IndexBuilder(client, Follower(client, registry, **ignored))
    index_commands = IndexCommands(Catalog(client), registry, builder)
    freshness = Freshness(lambda marker: None)
    commands = SearchCommands(registry, index_commands, freshness)
    context = ListenerContext(dial, admit, commands.handle, freshness.on_write)
    return await listen_on_socket(at, context, live)


async def _reap(reaper: IdleReaper) -> None:
    while True:
        reaper.check()
        await asyncio.sleep(0.02)


async def _close(server: Any, live: LiveConnections) -> None:
    server.close()
    for connection in live:
        connection.abort()
    await asyncio.sleep(0.1)
