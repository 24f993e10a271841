"""One client's connection through the gateway: a stream to the client and a stream to mongod.

Messages pass as they arrive, in pieces, and only their beginning is parsed. A message that the
gateway answers itself is buffered first; the client's next messages wait for the answer.
"""

import asyncio
import logging
import socket
import struct
import time
from collections.abc import Callable, Coroutine
from typing import Any

from leafmongo.proxy import wire
from leafmongo.proxy.classify import (
    MessageKind,
    classify,
    describes_hosts,
    logs_in_by_certificate,
    max_bytes,
    needs_whole,
)
from leafmongo.proxy.command_threads import LARGE_BYTES
from leafmongo.proxy.context import ClientChannel, ForwardedCommand, ListenerContext
from leafmongo.proxy.discovery import Discovery
from leafmongo.proxy.wire import HEADER_BYTES, Head, WireError

log = logging.getLogger(__name__)
_PEEK_BYTES = 8192  # holds the name and the collection of every command
_CONNECT_SECONDS = 20.0  # as long as drivers wait


class Endpoint(asyncio.Protocol):
    """One of the two streams. It passes on what arrives and stops reading while it is paused."""

    transport: asyncio.Transport

    def __init__(self, take: Callable[[bytes], None], connection: "ProxyConnection") -> None:
        self._take = take
        self._connection = connection
        self.other: Endpoint | None = None
        self.lost = False
        self._pauses: set[str] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._half_closes = transport.can_write_eof()
        self._connection.on_connected(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._take(data)
        except WireError as error:
            log.warning("closed a connection: %s", error)
            self._connection.close()

    def eof_received(self) -> bool:
        self._connection.on_eof(self)
        # True keeps the other direction open. TLS cannot close one direction alone.
        return self._half_closes

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self._connection.close()

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.pause("slow reader")

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.resume("slow reader")

    @property
    def paused(self) -> bool:
        return bool(self._pauses)

    def pause(self, reason: str) -> None:
        """Stop reading until every reason has been resumed."""
        if self.lost:
            return
        if not self._pauses:
            self.transport.pause_reading()
        self._pauses.add(reason)

    def resume(self, reason: str) -> None:
        self._pauses.discard(reason)
        if not self._pauses and not self.lost and not self.transport.is_closing():
            self.transport.resume_reading()

    def peer_pid(self) -> int:
        """The process at the other end of a Unix socket; 0 for other sockets."""
        stream = self.transport.get_extra_info("socket")
        if stream.family != socket.AF_UNIX:
            return 0
        credentials = struct.Struct("3i")
        packed = stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
        pid: int = credentials.unpack(packed)[0]
        return pid


class SideCommand:
    """A command of the gateway's own on the client's connection to mongod.

    What mongod sends meanwhile goes through `take`, which keeps the answer from the client, even
    after the search that sent the command has ended.
    """

    def __init__(self, body: dict[str, Any]) -> None:
        self._number = wire.next_id()
        self.message = wire.write_message(body, request_id=self._number)
        self.answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.is_answered = False
        self._received = bytearray()

    def take(self, data: bytes) -> bytes:
        """Keep the answer; return what else has arrived, for the client."""
        self._received += data
        others = b""
        while not self.is_answered and len(self._received) >= HEADER_BYTES:
            size = wire.message_size(self._received)
            if len(self._received) < size:
                return others
            message = bytes(self._received[:size])
            del self._received[:size]
            if wire.response_to(message) == self._number:
                self.is_answered = True
                if not self.answer.done():
                    self.answer.set_result(wire.read_request(message).body)
            else:
                others += message
        if self.is_answered:
            others += bytes(self._received)
            self._received.clear()
        return others

    def abandon(self) -> None:
        if not self.answer.done():
            self.answer.set_exception(ConnectionError("the connection was closed"))


class ProxyConnection:
    """A client, and the connection to mongod that belongs to this client alone."""

    def __init__(
        self,
        context: ListenerContext,
        *,
        make_room: Callable[[int], bool],
        on_open: Callable[["ProxyConnection"], None],
        on_closed: Callable[["ProxyConnection"], None],
    ) -> None:
        """`make_room` says whether so many more bytes may be buffered."""
        self._context = context
        self._make_room, self._on_open, self._on_closed = make_room, on_open, on_closed
        self._discovery = Discovery(context.host) if context.host else None
        self._channel = ClientChannel(self._run_side_command)
        self.client = Endpoint(self._from_client, self)
        self.member: object = None  # of mongod's replica set, as `dial` identifies it
        self._server: Endpoint | None = None
        self._inbox = bytearray()
        self._wanted = 0  # bytes that the inbox needs before it can be parsed further
        self._wanted_since = 0.0
        self._answering = 0  # bytes of the message that is being answered
        self._passing = 0  # bytes of the current message that are still to be passed on
        self._writes: list[str | None] = []  # collections of writes that mongod has not answered
        self._side_commands: list[SideCommand] = []
        self._task: asyncio.Task[None] | None = None

    def on_connected(self, endpoint: Endpoint) -> None:
        if endpoint is not self.client:
            return
        self._on_open(self)
        self.client.pause("connecting")
        self._start_task(self._connect())

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(work)
        self._task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        """Runs also for a task that was cancelled before it began."""
        if self._task is task:
            self._task, self._answering = None, 0
        self._discard_if_done()

    async def _connect(self) -> None:
        server = Endpoint(self._from_server, self)
        server.other, self.client.other = self.client, server
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._context.admit(self.client.peer_pid())
                self.member = await self._context.dial(lambda: server)
        except (OSError, TimeoutError) as error:
            log.warning("mongod is unreachable: %s", error)
            self.close()
            return
        self._server, self._task = server, None
        if self.client.lost:
            self.close()
        self._parse_inbox()
        self.client.resume("connecting")

    def close(self) -> None:
        """Close both streams after sending what is buffered for them."""
        for endpoint in self._endpoints():
            endpoint.transport.close()
        self._abandon()

    def abort(self) -> None:
        """Close both streams at once; what is buffered for them is lost."""
        for endpoint in self._endpoints():
            endpoint.transport.abort()
        self._abandon()

    def _endpoints(self) -> list[Endpoint]:
        return [each for each in (self.client, self._server) if each and not each.lost]

    def _abandon(self) -> None:
        self._inbox, self._wanted = bytearray(), 0
        for command in self._side_commands:
            command.abandon()
        if self._answering > LARGE_BYTES and self._task is not None and self.client.lost:
            self._task.cancel()  # otherwise it waits for its turn and keeps its bytes meanwhile
        self._discard_if_done()

    def _discard_if_done(self) -> None:
        """Wait for a running task: its message occupies memory until then."""
        if self.client.lost and self._task is None:
            self._on_closed(self)

    @property
    def buffered(self) -> int:
        """Bytes of an unfinished or unanswered message, including those announced but not sent."""
        return max(len(self._inbox), self._wanted) + self._answering

    @property
    def buffering_since(self) -> float | None:
        """By time.monotonic(); None when no message is being buffered."""
        return self._wanted_since if self._wanted else None

    @property
    def missing(self) -> int:
        """Bytes of the buffered message that have not arrived."""
        return max(0, self._wanted - len(self._inbox))

    def unfinished(self) -> tuple[int, ...] | None:
        """How far the client is with sending or reading a message; None when it is with neither."""
        unread = 0 if self.client.lost else self.client.transport.get_write_buffer_size()
        # While the endpoint is paused, the client cannot go on.
        sending = (self._inbox or self._passing) and not self.client.paused
        return (len(self._inbox), self._passing, unread) if sending or unread else None

    def on_eof(self, endpoint: Endpoint) -> None:
        # mongod closes both directions; a client may still wait for a reply.
        if endpoint is self.client and self._task is None and endpoint.other is not None:
            if endpoint.other.lost:
                return
            if endpoint.other.transport.can_write_eof():
                endpoint.other.transport.write_eof()
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
                self._send_to_server(piece)
                at += len(piece)
                continue
            used = self._take_message(wire.first_message(data, at))
            if not used:
                break
            at += used
        if at < len(data) and not self.client.transport.is_closing():
            self._inbox += data[at:] if at else data

    def _take_message(self, data: bytes) -> int:
        """Process the message at the start of `data`: bytes used, 0 when more must arrive first."""
        if len(data) < HEADER_BYTES:
            return 0
        size = wire.message_size(data)
        wire.refuse_opcode(data)
        if len(data) < min(size, _PEEK_BYTES):
            return 0
        head = wire.read_head(data)
        if size > max_bytes(head):
            raise WireError(f"a command {head.name} of {size} bytes")
        if len(data) < size and needs_whole(head):
            self._buffer(size)
            return 0
        self._refuse_certificate(head, data)
        if self._discovery is not None and describes_hosts(head):
            self._discovery.expect_reply(head.request_id)
        kind = classify(head, data)
        if kind is MessageKind.SEARCH:
            self._answering = size
            self._start_task(self._answer(data))
            self.client.pause("answering")
        elif kind is MessageKind.HANDSHAKE:
            self._send_to_server(wire.without_compression(data))
        else:
            self._note_write(kind, head)
            self._send_to_server(data)
            self._passing = size - len(data)
        return len(data)

    def _refuse_certificate(self, head: Head, message: bytes) -> None:
        if self._context.own_certificate and logs_in_by_certificate(head, message):
            raise WireError("a login by certificate would use the gateway's own certificate")

    def _buffer(self, size: int) -> None:
        if not self._make_room(size):
            raise WireError(f"{size} more bytes to buffer, and the memory for messages is full")
        self._wanted, self._wanted_since = size, time.monotonic()

    def _note_write(self, kind: MessageKind, head: Head) -> None:
        if kind is MessageKind.PASS:
            return
        collection = head.target if kind is MessageKind.WRITE else None
        if head.unanswered:
            self._context.on_write(collection)
        else:
            self._writes.append(collection)

    def _send_to_server(self, data: bytes) -> None:
        if self._server is None or self._server.lost:
            self.close()
        else:
            self._server.transport.write(data)

    async def _answer(self, message: bytes) -> None:
        try:
            answer = await self._context.handle(message, self._channel)
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
        if isinstance(answer, ForwardedCommand):
            if answer.may_write:
                self._writes.append(None)
            self._send_to_server(answer)
        elif not self.client.lost:
            self.client.transport.write(answer)
        self._parse_inbox()
        if self._task is None:
            self.client.resume("answering")

    def _parse_inbox(self) -> None:
        try:
            self._from_client(b"")
        except WireError as error:
            log.warning("closed a connection: %s", error)
            self.close()

    # from mongod

    def _from_server(self, data: bytes) -> None:
        if self._writes:
            # Before the client hears of its write: the search it sends next has to wait for it.
            for collection in self._writes:
                self._context.on_write(collection)
            self._writes.clear()
        if self._side_commands:
            for command in self._side_commands:
                data = command.take(data)
            self._side_commands = [each for each in self._side_commands if not each.is_answered]
        if self._discovery is not None:
            data = self._discovery.rewrite(data)
        if data and not self.client.lost:
            self.client.transport.write(data)

    async def _run_side_command(self, body: dict[str, Any]) -> dict[str, Any]:
        command = SideCommand(body)
        self._side_commands.append(command)
        self._send_to_server(command.message)
        return await command.answer
