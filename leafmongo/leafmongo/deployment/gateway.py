"""The process of `leaf-mongo gateway`: searches for a replica set that somebody else runs."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from pymongo.errors import OperationFailure, PyMongoError

from leafmongo.deployment.paths import LOOPBACK, Home, port_uri
from leafmongo.deployment.process import StopSignals, serve_alone
from leafmongo.deployment.upstream import Member, Upstream
from leafmongo.errors import LocalError
from leafmongo.indexes.change_stream import ChangeStream
from leafmongo.indexes.profiles import NEWEST, PROFILES
from leafmongo.proxy import sockets
from leafmongo.proxy.context import ListenerContext
from leafmongo.proxy.idle import IdleReaper, LiveConnections
from leafmongo.queries.commands import SearchService

log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.1  # between looks at which member is primary; PyMongo keeps watch of that
_OnReady = Callable[[Sequence[str]], None]  # takes the URIs


class Gateway:
    """Connects every client to the primary, and disconnects all when the primary changes."""

    def __init__(
        self,
        home: Home,
        upstream: Upstream,
        port: int | None,
        on_ready: _OnReady,
        like: str = NEWEST,
    ) -> None:
        self._home = home
        self._like = like
        self._upstream = upstream
        self._port = port
        self._on_ready = on_ready
        self._primary: Member | None = None
        self._elected = asyncio.Event()
        self._live = LiveConnections()
        self._listeners: list[asyncio.Server] = []

    async def run(self) -> None:
        signals = StopSignals()
        service = SearchService(self._upstream.client, PROFILES[self._like])
        try:
            version = await asyncio.to_thread(self._start_service, service)
            uris = await self._listen(service)
            log.info("ready: in front of %s, MongoDB %s", self._upstream.hosts, version)
            self._on_ready(uris)
            reaper = IdleReaper(self._live)
            while not await signals.wait(_LOOK_SECONDS):
                reaper.check()
                self._follow_primary(self._upstream.primary())
        finally:
            for listener in self._listeners:
                listener.close()
            for connection in self._live:
                connection.close()
            await asyncio.to_thread(self._stop_service, service)

    def _start_service(self, service: SearchService) -> str:
        version = self._upstream.check()
        try:
            if self._port is not None and not self._upstream.requires_login():
                raise LocalError(
                    f"the upstream {self._upstream.hosts} requires no password, so a port would "
                    "admit every user of this machine. Leave out --port, or run it with --auth"
                )
            _try_change_stream(self._upstream)
            service.start()
        except OperationFailure as error:
            raise LocalError(self._upstream.explain_refusal(error)) from error
        except PyMongoError as error:
            raise LocalError(
                f"the upstream {self._upstream.hosts} became unreachable: {type(error).__name__}"
            ) from error
        return version

    def _stop_service(self, service: SearchService) -> None:
        service.stop()
        self._upstream.client.close()
        self._home.gateway_socket.unlink(missing_ok=True)
        log.info("stopped")

    async def _listen(self, service: SearchService) -> list[str]:
        """Return the URIs, that of the port first."""
        socket = self._home.gateway_socket
        context = self._context(service, host=str(socket))
        self._listeners.append(await sockets.listen_on_socket(socket, context, self._live))
        if self._port is None:
            return [self._home.uri]
        bound = sockets.bind(LOOPBACK, self._port)
        port = bound.getsockname()[1]
        context = self._context(service, host=f"{LOOPBACK}:{port}")
        self._listeners.append(await sockets.listen_on_port(bound, context, self._live))
        return [port_uri(port), self._home.uri]

    def _context(self, service: SearchService, *, host: str) -> ListenerContext:
        return ListenerContext(
            self._dial,
            self._admit,
            service.handle,
            service.on_write,
            host=host,
            own_certificate=self._upstream.own_certificate,
        )

    def _follow_primary(self, primary: Member | None) -> None:
        if primary == self._primary:
            return
        log.info("the upstream's primary is %s", primary or "being elected")
        self._primary = primary
        for connection in self._live:
            if connection.member not in (None, primary):
                connection.close()
        if primary is None:
            self._elected.clear()
        else:
            self._elected.set()

    async def _admit(self, pid: int) -> None:
        """Clients wait while there is no primary."""
        await self._elected.wait()

    async def _dial(self, stream: Callable[[], asyncio.Protocol]) -> Member:
        """Retry until it succeeds: PyMongo may not have noticed yet that a primary is gone."""
        while True:
            await self._elected.wait()
            member = self._primary
            try:
                if member is not None:
                    await self._upstream.open(member, stream)
                    return member
            except OSError as error:
                log.warning("%s is unreachable: %s", member, error)
            await asyncio.sleep(_LOOK_SECONDS)


def _try_change_stream(upstream: Upstream) -> None:
    """Raise now if the URI's user lacks a right that background threads will need."""
    with upstream.client.start_session() as session:
        ChangeStream(upstream.client, session, (), None).close()


def serve_gateway(
    home: Home, upstream: Upstream, port: int | None, on_ready: _OnReady, like: str = NEWEST
) -> None:
    """Run a gateway in this process until SIGTERM or Ctrl-C; `on_ready` is called once."""

    async def run() -> None:
        await Gateway(home, upstream, port, on_ready, like).run()

    serve_alone(home, run)
