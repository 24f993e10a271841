"""The process of a deployment: gateway in front, mongod behind, from start to clean end."""

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pymongo.errors import ConnectionFailure, PyMongoError

from leafmongo.deployment import disk
from leafmongo.deployment.mongod import Mongod
from leafmongo.deployment.mongod_binary import find_mongod, mongod_version
from leafmongo.deployment.paths import LOOPBACK, Home
from leafmongo.deployment.process import Stopping, serve_alone
from leafmongo.deployment.replica import Client, become_primary, connect
from leafmongo.errors import LocalError
from leafmongo.gateway import login
from leafmongo.indexes.service import SearchService
from leafmongo.proxy import sockets as listening
from leafmongo.proxy.context import Connection, Entrance
from leafmongo.proxy.idle import Patience

log = logging.getLogger(__name__)
_RECOVERY_SECONDS = 300.0  # mongod replays its journal before it listens
_RESTARTS, _WITHIN_SECONDS = 5, 60.0


class Server:
    """Runs until it is told to stop, or until mongod cannot be kept alive.

    With a port, everybody has to log in, by the socket too.
    """

    def __init__(self, home: Home, port: int | None, ready: Callable[[], None]) -> None:
        self._home = home
        self._guarded = port is not None
        self._bound = listening.bind(port) if port is not None else None
        self._ready = ready
        self._binary = find_mongod()
        self._version = mongod_version(self._binary)
        if self._guarded:
            login.prepare(home)
        self._mongod = Mongod(home, self._binary, asking=self._guarded)
        self._open = asyncio.Event()
        self._links: set[Connection] = set()

    async def run(self) -> None:
        stopping = Stopping()
        client = connect(self._home, by_key=self._guarded)
        service = SearchService(client, self._admit)
        entrance = Entrance(self._dial, service.commands, links=self._links)
        doors = [await listening.on_socket(self._home.gateway_socket, entrance)]
        try:
            await self._start_mongod()
            await asyncio.to_thread(self._begin, client, service)
            self._open.set()
            if self._bound is not None:
                host = f"{LOOPBACK}:{self._port}"
                entrance = replace(entrance, host=host)
                doors.append(await listening.on_port(self._bound, entrance))
            log.info("ready: mongod %s, process %d", self._version, self._mongod.pid)
            self._ready()
            await self._keep_alive(stopping)
        finally:
            for door in doors:
                door.close()
            for link in list(self._links):
                link.close()
            await asyncio.to_thread(self._end, client, service)

    @property
    def _port(self) -> int | None:
        port: int | None = self._bound.getsockname()[1] if self._bound else None
        return port

    def _begin(self, client: Client, service: SearchService) -> None:
        # Also without a port: the URI has had the password since there was one.
        if password := self._home.password:
            login.settle_user(client, password)
        service.start()

    def _end(self, client: Client, service: SearchService) -> None:
        # First what reads from mongod, so that nothing complains of its end.
        service.stop()
        client.close()
        self._mongod.stop()
        home = self._home
        for socket in (home.gateway_socket, home.primary_socket, home.mongod_socket):
            socket.unlink(missing_ok=True)
        log.info("stopped")

    async def _start_mongod(self) -> None:
        await asyncio.to_thread(self._mongod.start)
        self._write_state()
        await asyncio.to_thread(self._mongod.wait_for_socket, seconds=_RECOVERY_SECONDS)
        await self._become_primary(time.monotonic() + _RECOVERY_SECONDS)

    async def _become_primary(self, deadline: float) -> None:
        """While mongod replays its journal its socket is there, and refuses."""
        while True:
            try:
                return await asyncio.to_thread(
                    become_primary, self._home, by_key=self._guarded, seconds=60.0
                )
            except ConnectionFailure:
                self._mongod.demand_running()
                if time.monotonic() > deadline:
                    raise

    async def _keep_alive(self, stopping: Stopping) -> None:
        """Until told to stop; a mongod that ends by itself is started again."""
        deaths: list[float] = []
        patience = Patience(self._links)
        while not await stopping.within(0.2):
            patience.look()
            if (status := self._mongod.ended()) is None:
                self._mongod.rotate_log()
                continue
            deaths = [at for at in deaths if at > time.monotonic() - _WITHIN_SECONDS]
            deaths.append(time.monotonic())
            log.error("mongod ended with status %d", status)
            self._open.clear()
            if len(deaths) > _RESTARTS:
                raise LocalError(
                    f"mongod ended {len(deaths)} times within {_WITHIN_SECONDS:.0f} s: "
                    f"{self._mongod.why(status)}"
                )
            await stopping.within(0.1 * 2 ** (len(deaths) - 1))
            try:
                await self._start_mongod()
                self._open.set()
            except (LocalError, PyMongoError, OSError) as error:
                log.error("mongod was not started again: %s", _words(error, self._home))
                # One that runs and takes no writes would look well for ever.
                await asyncio.to_thread(self._mongod.stop)

    async def _dial(self, stream: Callable[[], asyncio.Protocol]) -> None:
        path = str(self._home.mongod_socket)
        await asyncio.get_running_loop().create_unix_connection(stream, path)

    async def _admit(self, pid: int) -> None:
        """Clients wait for a mongod that takes writes; it itself comes by to get that far."""
        if pid != self._mongod.pid:
            await self._open.wait()

    def _write_state(self) -> None:
        state: dict[str, Any] = {
            "gateway_pid": os.getpid(),
            "mongod_pid": self._mongod.pid,
            "mongod": str(self._binary),
            "version": self._version,
            "port": self._port,
        }
        partial = self._home.state.with_suffix(".new")
        partial.write_text(json.dumps(state))
        partial.replace(self._home.state)


def _words(error: Exception, home: Home) -> str:
    return disk.explanation(error, home.root) if isinstance(error, OSError) else str(error)


def serve(home: Home, port: int | None, ready: Callable[[], None]) -> None:
    """Run a deployment in this process until SIGTERM or Ctrl-C; `ready` is called once."""
    serve_alone(home, lambda: Server(home, port, ready).run())
