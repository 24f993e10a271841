"""Ends connections whose client stopped in the middle of a message, its own or one for it."""

import logging
import time
from collections.abc import Collection

from leafmongo.proxy.context import Connection

log = logging.getLogger(__name__)
_SECONDS = 300.0  # somebody may have halted a client in a debugger


class Patience:
    """Looks now and then; a client that owes the same for all that time is given up."""

    def __init__(self, links: Collection[Connection], *, seconds: float = _SECONDS) -> None:
        self._links = links
        self._seconds = seconds
        self._next = 0.0
        self._owed: dict[Connection, tuple[tuple[int, ...], float]] = {}  # and since when

    def look(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._seconds / 10
        owed = {link: debt for link in self._links if (debt := link.owed()) is not None}
        self._owed = {link: (debt, self._since(link, debt, now)) for link, debt in owed.items()}
        for link, (_, since) in list(self._owed.items()):
            if now - since >= self._seconds:
                log.warning(
                    "closed a connection: its client neither sent nor read the rest of a message "
                    "for %.0f s",
                    now - since,
                )
                link.abort()

    def _since(self, link: Connection, debt: tuple[int, ...], now: float) -> float:
        before, since = self._owed.get(link, (None, now))
        return since if before == debt else now
