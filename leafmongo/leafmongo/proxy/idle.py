"""The open connections of a gateway: how much memory and how much time their messages may take."""

import logging
import time
from collections.abc import Iterator

from leafmongo.proxy.connection import ProxyConnection
from leafmongo.proxy.context import ListenerContext

log = logging.getLogger(__name__)
_IDLE_SECONDS = 300.0  # a client may be halted in a debugger
_BUFFER_BYTES = 512 * 2**20
_SLOW_SECONDS = 5.0


class LiveConnections:
    """All open connections of a gateway, and the memory their unfinished messages may share.

    A message that takes longer than `slow_seconds` to arrive gives way when others need the memory.
    """

    def __init__(
        self, *, buffer_bytes: int = _BUFFER_BYTES, slow_seconds: float = _SLOW_SECONDS
    ) -> None:
        self._open: set[ProxyConnection] = set()
        self._buffer_bytes = buffer_bytes
        self._slow_seconds = slow_seconds

    def __iter__(self) -> Iterator[ProxyConnection]:
        return iter(list(self._open))

    def __len__(self) -> int:
        return len(self._open)

    def accept(self, context: ListenerContext) -> ProxyConnection:
        """Make the connection of one more client."""
        return ProxyConnection(
            context,
            make_room=self._make_room,
            on_open=self._open.add,
            on_closed=self._open.discard,
        )

    def _make_room(self, size: int) -> bool:
        """Whether `size` more bytes may be buffered.

        Slow messages are dropped for it, those that lack most first, but only if that is enough.
        """
        free = self._buffer_bytes - sum(each.buffered for each in self)
        dropped: list[ProxyConnection] = []
        for connection in sorted(self._slow(), key=lambda each: -each.missing):
            if free >= size:
                break
            dropped.append(connection)
            free += connection.buffered
        if free < size:
            return False
        for connection in dropped:
            log.warning("closed a connection: others need the memory of its unfinished message")
            connection.abort()
        return True

    def _slow(self) -> list[ProxyConnection]:
        latest = time.monotonic() - self._slow_seconds
        begun = [(each, each.buffering_since) for each in self]
        return [each for each, since in begun if since is not None and since <= latest]


class IdleReaper:
    """Checks now and then; aborts a connection that has made no progress for `seconds`."""

    def __init__(self, live: LiveConnections, *, seconds: float = _IDLE_SECONDS) -> None:
        self._live = live
        self._seconds = seconds
        self._next = 0.0
        # How far each message had come, and since when.
        self._seen: dict[ProxyConnection, tuple[tuple[int, ...], float]] = {}

    def check(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._seconds / 10
        found = {each: state for each in self._live if (state := each.unfinished()) is not None}
        self._seen = {each: (state, self._since(each, state, now)) for each, state in found.items()}
        for connection, (_, since) in list(self._seen.items()):
            if now - since >= self._seconds:
                log.warning(
                    "closed a connection: its client neither sent nor read the rest of a message "
                    "for %.0f s",
                    now - since,
                )
                connection.abort()

    def _since(self, connection: ProxyConnection, state: tuple[int, ...], now: float) -> float:
        before, since = self._seen.get(connection, (None, now))
        return since if before == state else now
