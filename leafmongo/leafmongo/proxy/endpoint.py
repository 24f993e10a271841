"""One byte stream of a connection through the gateway, to the client or to mongod."""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from typing import Protocol

from leafmongo.proxy.wire import WireError

log = logging.getLogger(__name__)


class Owner(Protocol):
    """The two streams' common owner."""

    def connected(self, side: "Side") -> None: ...

    def ended(self, side: "Side") -> None:
        """It will send no more, but may still read."""

    def close(self) -> None: ...


class Side(asyncio.Protocol):
    """One of the two streams; tells its link what arrives and when it cannot take more."""

    transport: asyncio.Transport

    def __init__(self, take: Callable[[bytes], None], link: Owner) -> None:
        self._take = take
        self._link = link
        self.other: Side | None = None
        self.lost = False
        self._holds: set[str] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._ends_apart = transport.can_write_eof()
        self._link.connected(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._take(data)
        except WireError as error:
            log.warning("closed a connection: %s", error)
            self._link.close()

    def eof_received(self) -> bool:
        self._link.ended(self)
        # The other direction may still have something to say, where there are two: not with TLS.
        return self._ends_apart

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self._link.close()

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.hold("slow reader")

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.let_go("slow reader")

    @property
    def held(self) -> bool:
        return bool(self._holds)

    def hold(self, reason: str) -> None:
        """Take nothing more from it until `let_go` for every reason."""
        if self.lost:
            return
        if not self._holds:
            self.transport.pause_reading()
        self._holds.add(reason)

    def let_go(self, reason: str) -> None:
        self._holds.discard(reason)
        if not self._holds and not self.lost and not self.transport.is_closing():
            self.transport.resume_reading()

    def peer(self) -> int:
        """The process at the other end of a Unix socket; 0 where it is none."""
        stream = self.transport.get_extra_info("socket")
        if stream.family != socket.AF_UNIX:
            return 0
        credentials = struct.Struct("3i")
        told = stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
        pid: int = credentials.unpack(told)[0]
        return pid
