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

from leafmongo.deployment import disk, login
from leafmongo.deployment.mongod import Mongod
from leafmongo.deployment.mongod_binary import find_mongod, mongod_version
from leafmongo.deployment.paths import LOOPBACK, Home
from leafmongo.deployment.process import StopSignals, serve_alone
from leafmongo.deployment.replica import become_primary, connect
from leafmongo.errors import LocalError
from leafmongo.indexes.catalog import Client
from leafmongo.indexes.profiles import NEWEST, PROFILES
from leafmongo.proxy import sockets
from leafmongo.proxy.context import ListenerContext
from leafmongo.proxy.idle import IdleReaper, LiveConnections
from leafmongo.queries.commands import SearchService

log = logging.getLogger(__name__)
_RECOVERY_SECONDS = 300.0  # mongod replays its journal before it listens
_RESTARTS, _WITHIN_SECONDS = 5, 60.0


class Server:
    """Runs until a signal asks it to stop, or until mongod cannot be kept alive.

    With a port, every client has to log in, through the socket too.
    """

    def __init__(
        self, home: Home, port: int | None, on_ready: Callable[[], None], like: str = NEWEST
    ) -> None:
        self._home = home
        self._like = like
        self._with_login = port is not None
        self._bound = sockets.bind(LOOPBACK, port) if port is not None else None
        self._on_ready = on_ready
        self._binary = find_mongod()
        self._version = mongod_version(self._binary)
        if self._with_login:
            login.create_secrets(home)
        self._mongod = Mongod(home, self._binary, with_login=self._with_login)
        self._open = asyncio.Event()
        self._live = LiveConnections()

    async def run(self) -> None:
        signals = StopSignals()
        client = connect(self._home, by_key=self._with_login)
        service = SearchService(client, PROFILES[self._like])
        context = ListenerContext(self._dial, self._admit, service.handle, service.on_write)
        socket = self._home.gateway_socket
        listeners = [await sockets.listen_on_socket(socket, context, self._live)]
        try:
            await self._start_mongod()
            await asyncio.to_thread(self._start_service, client, service)
            self._open.set()
            if self._bound is not None:
                context = replace(context, host=f"{LOOPBACK}:{self._port}")
                listeners.append(await sockets.listen_on_port(self._bound, context, self._live))
            log.info("ready: mongod %s, process %d", self._version, self._mongod.pid)
            self._on_ready()
            await self._keep_alive(signals)
        finally:
            for listener in listeners:
                listener.close()
            for connection in self._live:
                connection.close()
            await asyncio.to_thread(self._stop_all, client, service)

    @property
    def _port(self) -> int | None:
        port: int | None = self._bound.getsockname()[1] if self._bound else None
        return port

    def _start_service(self, client: Client, service: SearchService) -> None:
        # Without a port too: the URI has held the password since the first start with one.
        if password := self._home.password:
            login.ensure_user(client, password)
        service.start()

    def _stop_all(self, client: Client, service: SearchService) -> None:
        # The readers of mongod stop first, so that none of them logs its end as a failure.
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
        """Retry while mongod replays its journal: its socket is there and refuses connections."""
        while True:
            try:
                return await asyncio.to_thread(
                    become_primary, self._home, by_key=self._with_login, seconds=60.0
                )
            except ConnectionFailure:
                self._mongod.require_running()
                if time.monotonic() > deadline:
                    raise

    async def _keep_alive(self, signals: StopSignals) -> None:
        """Restart a mongod that ends by itself, until a signal arrives."""
        deaths: list[float] = []
        reaper = IdleReaper(self._live)
        while not await signals.wait(0.2):
            reaper.check()
            if (status := self._mongod.exit_status()) is None:
                self._mongod.rotate_log()
                continue
            deaths = [at for at in deaths if at > time.monotonic() - _WITHIN_SECONDS]
            deaths.append(time.monotonic())
            log.error("mongod ended with status %d", status)
            self._open.clear()
            if len(deaths) > _RESTARTS:
                raise LocalError(
                    f"mongod ended {len(deaths)} times within {_WITHIN_SECONDS:.0f} s: "
                    f"{self._mongod.explain_end(status)}"
                )
            await signals.wait(0.1 * 2 ** (len(deaths) - 1))
            try:
                await self._start_mongod()
                self._open.set()
            except (LocalError, PyMongoError, OSError) as error:
                log.error("mongod was not restarted: %s", _explain(error, self._home))
                # A mongod that runs but takes no writes would look healthy for ever.
                await asyncio.to_thread(self._mongod.stop)

    async def _dial(self, stream: Callable[[], asyncio.Protocol]) -> None:
        path = str(self._home.mongod_socket)
        await asyncio.get_running_loop().create_unix_connection(stream, path)

    async def _admit(self, pid: int) -> None:
        """Clients wait until mongod takes writes; mongod itself connects in order to get there."""
        if pid != self._mongod.pid:
            await self._open.wait()

    def _write_state(self) -> None:
        state: dict[str, Any] = {
            "gateway_pid": os.getpid(),
            "mongod_pid": self._mongod.pid,
            "mongod": str(self._binary),
            "version": self._version,
            "port": self._port,
            "like": self._like,
        }
        partial = self._home.state.with_suffix(".new")
        partial.write_text(json.dumps(state))
        partial.replace(self._home.state)


def _explain(error: Exception, home: Home) -> str:
    return disk.explain(error, home.root) if isinstance(error, OSError) else str(error)


def serve(home: Home, port: int | None, on_ready: Callable[[], None], like: str = NEWEST) -> None:
    """Run a deployment in this process until SIGTERM or Ctrl-C; `on_ready` is called once."""
    serve_alone(home, lambda: Server(home, port, on_ready, like).run())
