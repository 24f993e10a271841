"""Two byte streams per client, one to it and one to mongod, and what happens between them.

Messages pass as they come, in pieces and unparsed but for their beginning. One that is the
gateway's to answer is collected first, and the client's next ones wait until it is answered.
"""

import asyncio
import logging
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

from local import wire
from local.discovery import Discovery
from local.exchange import Commands, Dial, Forward
from local.question import Question
from local.side import Side
from local.traffic import (
    Kind,
    kind_of,
    logs_in_by_certificate,
    needs_all,
    tells_of_hosts,
    writes_by_stage,
)
from local.wire import HEADER_BYTES, Head, WireError

log = logging.getLogger(__name__)
_PEEK_BYTES = 8192  # holds the command's name and collection in every message
_CONNECT_SECONDS = 20.0  # as long as drivers wait


@dataclass(frozen=True)
class Entrance:
    """What all connections through one listening socket have in common."""

    dial: Dial
    commands: Commands
    host: str | None = None  # the only one clients are told of; None: mongod itself tells it
    own_certificate: bool = False  # `dial` shows mongod one, by which no client may log in
    links: "set[Link]" = field(default_factory=set)  # the living connections


class Link:
    """One client and its own connection to mongod."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._commands = entrance.commands
        self._links = entrance.links
        self._discovery = Discovery(entrance.host) if entrance.host else None
        self.client = Side(self._from_client, self)
        self.member: object = None  # which of mongod's replica set it is connected to
        self._server: Side | None = None
        self._holds: dict[Side, set[str]] = {}
        self._inbox = bytearray()
        self._wanted = 0  # bytes in the inbox before it is worth looking at again
        self._passing = 0  # bytes of a message under way that are still to be passed on
        self._written: list[str | None] = []  # writes under way, by collection
        self._question: Question | None = None
        self._task: asyncio.Task[None] | None = None

    def connected(self, side: Side) -> None:
        if side is not self.client:
            return
        self._links.add(self)
        self.hold(self.client, "connecting")
        self._task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        server = Side(self._from_server, self)
        server.other, self.client.other = self.client, server
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._commands.admit(_peer(self.client.transport))
                self.member = await self._entrance.dial(lambda: server)
        except (OSError, TimeoutError) as error:
            log.warning("mongod cannot be reached: %s", error)
            self.close()
            return
        self._server, self._task = server, None
        if self.client.lost:
            self.close()
        self._from_client(b"")
        self.let_go(self.client, "connecting")

    def close(self) -> None:
        """Both streams, after what is still to be sent."""
        self._links.discard(self)
        for side in (self.client, self._server):
            if side is not None and not side.lost:
                side.transport.close()
        if self._question is not None:
            self._question.give_up()

    def ended(self, side: Side) -> None:
        # mongod closes then; a client may wait for a reply.
        if side is self.client and self._task is None and side.other is not None:
            if side.other.lost:
                return
            if side.other.transport.can_write_eof():
                side.other.transport.write_eof()
                return
        self.close()

    def hold(self, side: Side | None, reason: str) -> None:
        if side is None or side.lost:
            return
        reasons = self._holds.setdefault(side, set())
        if not reasons:
            side.transport.pause_reading()
        reasons.add(reason)

    def let_go(self, side: Side | None, reason: str) -> None:
        reasons = self._holds.get(side, set()) if side else set()
        reasons.discard(reason)
        if side and not reasons and not side.lost and not side.transport.is_closing():
            side.transport.resume_reading()

    # from the client

    def _from_client(self, data: bytes) -> None:
        if self._inbox or self._task is not None:
            self._inbox += data
            if self._task is not None or len(self._inbox) < self._wanted:
                return
            data = bytes(self._inbox)
            self._inbox.clear()
        self._wanted = 0
        at = 0
        while at < len(data) and self._task is None:
            if self._passing:
                piece = data[at : at + self._passing] if at or self._passing < len(data) else data
                self._passing -= len(piece)
                self._to_server(piece)
                at += len(piece)
                continue
            used = self._message(data[at:] if at else data)
            if not used:
                break
            at += used
        if at < len(data):
            self._inbox += data[at:] if at else data

    def _message(self, data: bytes) -> int:
        """Deal with the message at the start of `data`: bytes used, 0 when more must come."""
        if len(data) < HEADER_BYTES:
            return 0
        size = wire.message_size(data)
        if len(data) < min(size, _PEEK_BYTES):
            return 0
        head = wire.read_head(data)
        if len(data) < size and needs_all(head):
            self._wanted = size
            return 0
        message = data if len(data) == size else data[:size]
        if self._entrance.own_certificate and logs_in_by_certificate(head, message):
            raise WireError("a login by a certificate, and the only one here is the gateway's own")
        if self._discovery is not None and tells_of_hosts(head):
            self._discovery.asked(head.request_id)
        kind = kind_of(head, message)
        if kind is Kind.SEARCH:
            self._task = asyncio.get_running_loop().create_task(self._handle(message))
            self.hold(self.client, "answering")
        elif kind is Kind.HANDSHAKE:
            self._to_server(wire.without_compression(message))
        else:
            self._note(kind, head)
            self._to_server(message)
            self._passing = size - len(message)
        return len(message)

    def _note(self, kind: Kind, head: Head) -> None:
        if kind is Kind.PASS:
            return
        collection = head.target if kind is Kind.WRITE else None
        if head.unanswered:
            self._commands.wrote(collection)
        else:
            self._written.append(collection)

    def _to_server(self, data: bytes) -> None:
        if self._server is None or self._server.lost:
            self.close()
        else:
            self._server.transport.write(data)

    async def _handle(self, message: bytes) -> None:
        try:
            answer = await self._commands.handle(message, self)
        except (WireError, ConnectionError) as error:
            log.warning("closed a connection: %s", error)
            self.close()
            return
        except Exception:
            log.exception("a search command failed")
            self.close()
            return
        finally:
            self._task = None
        if isinstance(answer, Forward):
            if writes_by_stage(answer):
                self._written.append(None)
            self._to_server(answer)
        elif not self.client.lost:
            self.client.transport.write(answer)
        self._from_client(b"")
        if self._task is None:
            self.let_go(self.client, "answering")

    # from mongod

    def _from_server(self, data: bytes) -> None:
        if self._written:
            # Before the client hears of its write: a search it sends next has to wait for it.
            for collection in self._written:
                self._commands.wrote(collection)
            self._written.clear()
        if self._question is not None:
            data = self._question.take(data)
        if self._discovery is not None:
            data = self._discovery.told(data)
        if data and not self.client.lost:
            self.client.transport.write(data)

    async def ask(self, body: dict[str, Any]) -> dict[str, Any]:
        """mongod's answer, for whoever is logged in on this connection."""
        question = self._question = Question(body)
        try:
            self._to_server(question.message)
            return await question.answer
        finally:
            self._question = None


def _peer(transport: asyncio.Transport) -> int:
    """The process at the other end of a Unix socket; 0 where it is none."""
    stream = transport.get_extra_info("socket")
    if stream.family != socket.AF_UNIX:
        return 0
    credentials = struct.Struct("3i")
    told = stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
    pid: int = credentials.unpack(told)[0]
    return pid
