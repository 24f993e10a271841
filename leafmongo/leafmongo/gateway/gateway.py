"""The process of `leaf-mongo gateway`: searches for a replica set that somebody else runs."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from pymongo.errors import OperationFailure, PyMongoError

from leafmongo.deployment.paths import LOOPBACK, Home, port_uri
from leafmongo.deployment.process import Stopping, serve_alone
from leafmongo.errors import LocalError
from leafmongo.gateway.upstream import Member, Upstream
from leafmongo.indexes.change_stream import ChangeStream
from leafmongo.indexes.service import SearchService
from leafmongo.proxy import sockets as listening
from leafmongo.proxy.context import Connection, Entrance
from leafmongo.proxy.idle import Patience

log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.1  # how often to ask which member is primary, which PyMongo knows by itself
_Ready = Callable[[Sequence[str]], None]  # takes the URIs


class Gateway:
    """Every client is connected to the primary; when that is another one, it has to come again."""

    def __init__(self, home: Home, upstream: Upstream, port: int | None, ready: _Ready) -> None:
        self._home = home
        self._upstream = upstream
        self._port = port
        self._ready = ready
        self._primary: Member | None = None
        self._elected = asyncio.Event()
        self._links: set[Connection] = set()
        self._doors: list[asyncio.Server] = []

    async def run(self) -> None:
        stopping = Stopping()
        service = SearchService(self._upstream.client, self._admit)
        try:
            version = await asyncio.to_thread(self._begin, service)
            uris = await self._listen(service)
            log.info("ready: in front of %s, MongoDB %s", self._upstream.hosts, version)
            self._ready(uris)
            patience = Patience(self._links)
            while not await stopping.within(_LOOK_SECONDS):
                patience.look()
                self._turn_to(self._upstream.primary())
        finally:
            for door in self._doors:
                door.close()
            for link in list(self._links):
                link.close()
            await asyncio.to_thread(self._end, service)

    def _begin(self, service: SearchService) -> str:
        version = self._upstream.check()
        try:
            if self._port is not None and not self._upstream.asks_for_passwords():
                raise LocalError(
                    f"the upstream {self._upstream.hosts} asks for no password, so a port would "
                    "let everybody on this machine in; leave out --port, or run it with --auth"
                )
            _try_out(self._upstream)
            service.start()
        except OperationFailure as error:
            raise LocalError(self._upstream.refusal(error)) from error
        except PyMongoError as error:
            raise LocalError(
                f"the upstream {self._upstream.hosts} went away: {type(error).__name__}"
            ) from error
        return version

    def _end(self, service: SearchService) -> None:
        service.stop()
        self._upstream.client.close()
        self._home.gateway_socket.unlink(missing_ok=True)
        log.info("stopped")

    async def _listen(self, service: SearchService) -> list[str]:
        """The URIs: the port's first where there is one."""
        socket = self._home.gateway_socket
        self._doors.append(
            await listening.on_socket(socket, self._entrance(service, host=str(socket)))
        )
        if self._port is None:
            return [self._home.uri]
        bound = listening.bind(self._port)
        port = bound.getsockname()[1]
        entrance = self._entrance(service, host=f"{LOOPBACK}:{port}")
        self._doors.append(await listening.on_port(bound, entrance))
        return [port_uri(port), self._home.uri]

    def _entrance(self, service: SearchService, *, host: str) -> Entrance:
        return Entrance(
            self._dial,
            service.commands,
            host=host,
            own_certificate=self._upstream.own_certificate,
            links=self._links,
        )

    def _turn_to(self, primary: Member | None) -> None:
        if primary == self._primary:
            return
        log.info("the upstream's primary is %s", primary or "being elected")
        self._primary = primary
        for link in list(self._links):
            if link.member not in (None, primary):
                link.close()
        if primary is None:
            self._elected.clear()
        else:
            self._elected.set()

    async def _admit(self, pid: int) -> None:
        """Clients wait while there is no primary."""
        await self._elected.wait()

    async def _dial(self, stream: Callable[[], asyncio.Protocol]) -> Member:
        """Until it succeeds: whether a primary is gone may not be known yet."""
        while True:
            await self._elected.wait()
            member = self._primary
            try:
                if member is not None:
                    await self._upstream.open(member, stream)
                    return member
            except OSError as error:
                log.warning("%s cannot be reached: %s", member, error)
            await asyncio.sleep(_LOOK_SECONDS)


def _try_out(upstream: Upstream) -> None:
    """Whether the URI's user may do what comes later, in threads that nobody looks at."""
    with upstream.client.start_session() as session:
        ChangeStream(upstream.client, session, (), None).close()


def serve_gateway(home: Home, upstream: Upstream, port: int | None, ready: _Ready) -> None:
    """In this process until SIGTERM or Ctrl-C; `ready` is called once."""

    async def run() -> None:
        await Gateway(home, upstream, port, ready).run()

    serve_alone(home, run)
