"""Two byte streams per client, one to it and one to mongod, and what happens between them.

Messages pass as they come, in pieces and unparsed but for their beginning. One that is the
gateway's to answer is collected first, and the client's next ones wait until it is answered.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any

from leafmongo.gateway.discovery import Discovery
from leafmongo.proxy import wire
from leafmongo.proxy.classify import (
    Kind,
    kind_of,
    logs_in_by_certificate,
    most_bytes,
    needs_all,
    tells_of_hosts,
)
from leafmongo.proxy.context import Entrance
from leafmongo.proxy.endpoint import Side
from leafmongo.proxy.protocols import Forward
from leafmongo.proxy.side_command import Question
from leafmongo.proxy.wire import HEADER_BYTES, Head, WireError
from leafmongo.proxy.workers import LARGE_BYTES

log = logging.getLogger(__name__)
_PEEK_BYTES = 8192  # holds the command's name and collection in every message
_CONNECT_SECONDS = 20.0  # as long as drivers wait


class Link:
    """One client and its own connection to mongod."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._commands = entrance.commands
        self._discovery = Discovery(entrance.host) if entrance.host else None
        self.client = Side(self._from_client, self)
        self.readable: set[tuple[str, str]] = set()
        self.member: object = None  # which of mongod's replica set it is connected to
        self._server: Side | None = None
        self._inbox = bytearray()
        self._wanted = 0  # bytes in the inbox before it is worth looking at again
        self._wanted_since = 0.0
        self._answering = 0  # bytes of the message that is being answered
        self._passing = 0  # bytes of a message under way that are still to be passed on
        self._written: list[str | None] = []  # writes under way, by collection
        self._questions: list[Question] = []  # that mongod has not answered yet
        self._task: asyncio.Task[None] | None = None

    def connected(self, side: Side) -> None:
        if side is not self.client:
            return
        self._entrance.links.add(self)
        self.client.hold("connecting")
        self._begin(self._connect())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(work)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Also where it was cancelled before it began."""
        if self._task is task:
            self._task, self._answering = None, 0
        self._leave()

    async def _connect(self) -> None:
        server = Side(self._from_server, self)
        server.other, self.client.other = self.client, server
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._commands.admit(self.client.peer())
                self.member = await self._entrance.dial(lambda: server)
        except (OSError, TimeoutError) as error:
            log.warning("mongod cannot be reached: %s", error)
            self.close()
            return
        self._server, self._task = server, None
        if self.client.lost:
            self.close()
        self._go_on()
        self.client.let_go("connecting")

    def close(self) -> None:
        """Both streams, after what is still to be sent."""
        for side in self._sides():
            side.transport.close()
        self._given_up()

    def abort(self) -> None:
        for side in self._sides():
            side.transport.abort()
        self._given_up()

    def _sides(self) -> list[Side]:
        return [side for side in (self.client, self._server) if side and not side.lost]

    def _given_up(self) -> None:
        self._inbox, self._wanted = bytearray(), 0
        for question in self._questions:
            question.give_up()
        if self._answering > LARGE_BYTES and self._task is not None and self.client.lost:
            self._task.cancel()  # else it would wait its turn, and its bytes with it
        self._leave()

    def _leave(self) -> None:
        """Not before its message is dealt with, whose bytes count until then."""
        if self.client.lost and self._task is None:
            self._entrance.links.discard(self)

    @property
    def gathered(self) -> int:
        return max(len(self._inbox), self._wanted) + self._answering

    @property
    def gathers_since(self) -> float | None:
        return self._wanted_since if self._wanted else None

    @property
    def missing(self) -> int:
        return max(0, self._wanted - len(self._inbox))

    def owed(self) -> tuple[int, ...] | None:
        unread = 0 if self.client.lost else self.client.transport.get_write_buffer_size()
        # What is held back is not the client's fault.
        begun = (self._inbox or self._passing) and not self.client.held
        return (len(self._inbox), self._passing, unread) if begun or unread else None

    def ended(self, side: Side) -> None:
        # mongod closes then; a client may wait for a reply.
        if side is self.client and self._task is None and side.other is not None:
            if side.other.lost:
                return
            if side.other.transport.can_write_eof():
                side.other.transport.write_eof()
                return
        self.close()

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
            used = self._message(wire.first_message(data, at))
            if not used:
                break
            at += used
        if at < len(data) and not self.client.transport.is_closing():
            self._inbox += data[at:] if at else data

    def _message(self, data: bytes) -> int:
        """Deal with the message that `data` is or begins: bytes used, 0 when more must come."""
        if len(data) < HEADER_BYTES:
            return 0
        size = wire.message_size(data)
        wire.refuse_opcode(data)
        if len(data) < min(size, _PEEK_BYTES):
            return 0
        head = wire.read_head(data)
        if size > most_bytes(head):
            raise WireError(f"a command {head.name} of {size} bytes")
        if len(data) < size and needs_all(head):
            self._gather(size)
            return 0
        message = data
        if self._entrance.own_certificate and logs_in_by_certificate(head, message):
            raise WireError("a login by a certificate, and the only one here is the gateway's own")
        if self._discovery is not None and tells_of_hosts(head):
            self._discovery.asked(head.request_id)
        kind = kind_of(head, message)
        if kind is Kind.SEARCH:
            self._answering = size
            self._begin(self._handle(message))
            self.client.hold("answering")
        elif kind is Kind.HANDSHAKE:
            self._to_server(wire.without_compression(message))
        else:
            self._note(kind, head)
            self._to_server(message)
            self._passing = size - len(message)
        return len(message)

    def _gather(self, size: int) -> None:
        if not self._entrance.has_room_for(size):
            raise WireError(f"{size} bytes more to keep, and too many are kept already")
        self._wanted, self._wanted_since = size, time.monotonic()

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
            self._task, self._answering = None, 0
        if isinstance(answer, Forward):
            if answer.writes:
                self._written.append(None)
            self._to_server(answer)
        elif not self.client.lost:
            self.client.transport.write(answer)
        self._go_on()
        if self._task is None:
            self.client.let_go("answering")

    def _go_on(self) -> None:
        """With what has arrived meanwhile."""
        try:
            self._from_client(b"")
        except WireError as error:
            log.warning("closed a connection: %s", error)
            self.close()

    # from mongod

    def _from_server(self, data: bytes) -> None:
        if self._written:
            # Before the client hears of its write: a search it sends next has to wait for it.
            for collection in self._written:
                self._commands.wrote(collection)
            self._written.clear()
        if self._questions:
            for question in self._questions:
                data = question.take(data)
            self._questions = [q for q in self._questions if not q.has_come]
        if self._discovery is not None:
            data = self._discovery.told(data)
        if data and not self.client.lost:
            self.client.transport.write(data)

    async def ask(self, body: dict[str, Any]) -> dict[str, Any]:
        """mongod's answer, for whoever is logged in on this connection."""
        question = Question(body)
        self._questions.append(question)
        self._to_server(question.message)
        return await question.answer
