"""One byte stream of a connection through the gateway, to the client or to mongod."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from local.wire import WireError

log = logging.getLogger(__name__)


class Owner(Protocol):
    """The two streams' common owner."""

    def connected(self, side: "Side") -> None: ...

    def ended(self, side: "Side") -> None:
        """It will send no more, but may still read."""

    def hold(self, side: "Side | None", reason: str) -> None:
        """Take nothing more from that side until `let_go` for every reason."""

    def let_go(self, side: "Side | None", reason: str) -> None: ...

    def close(self) -> None: ...


class Side(asyncio.Protocol):
    """One of the two streams; tells its link what arrives and when it cannot take more."""

    transport: asyncio.Transport

    def __init__(self, take: Callable[[bytes], None], link: Owner) -> None:
        self._take = take
        self._link = link
        self.other: Side | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._link.connected(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._take(data)
        except WireError as error:
            log.warning("closed a connection: %s", error)
            self._link.close()

    def eof_received(self) -> bool:
        self._link.ended(self)
        return True  # the other direction may still have something to say

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self._link.close()

    def pause_writing(self) -> None:
        self._link.hold(self.other, "slow reader")

    def resume_writing(self) -> None:
        self._link.let_go(self.other, "slow reader")
