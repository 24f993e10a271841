"""What the connections through one listening socket have in common, and may take together."""

import logging
import time
from dataclasses import dataclass, field
from typing import Protocol

from leafmongo.proxy.protocols import Commands, Dial

log = logging.getLogger(__name__)
_GATHERED_BYTES = 512 * 2**20
_UNHURRIED_SECONDS = 5.0  # to send a message; longer, only while there is room for others


class Connection(Protocol):
    """One client's, as others look at it."""

    member: object  # which of mongod's replica set it is connected to

    @property
    def gathered(self) -> int:
        """Bytes of a message that is kept until it is complete and dealt with, also those that it
        has announced and not sent yet."""

    @property
    def gathers_since(self) -> float | None:
        """By time.monotonic(); None where it is not in the middle of such a message."""

    @property
    def missing(self) -> int:
        """Bytes of it that have not come yet."""

    def owed(self) -> tuple[int, ...] | None:
        """How much the client has still to send of a message, or to read, before anything can go
        on; None when it owes nothing."""

    def close(self) -> None: ...

    def abort(self) -> None:
        """At once: what is still to be sent is lost."""


@dataclass(frozen=True)
class Entrance:
    dial: Dial
    commands: Commands
    host: str | None = None  # the only one clients are told of; None: mongod itself tells it
    own_certificate: bool = False  # `dial` shows mongod one, by which no client may log in
    links: set[Connection] = field(default_factory=set)  # the living connections
    gathered_bytes: int = _GATHERED_BYTES
    unhurried_seconds: float = _UNHURRIED_SECONDS

    def has_room_for(self, size: int) -> bool:
        """Whether that much more may be kept until it is complete. Those who have been sending
        theirs for long make room, first the one whose message lacks most, if that is enough."""
        free = self.gathered_bytes - sum(link.gathered for link in self.links)
        leaving: list[Connection] = []
        for link in sorted(self._unhurried(), key=lambda link: -link.missing):
            if free >= size:
                break
            leaving.append(link)
            free += link.gathered
        if free < size:
            return False
        for link in leaving:
            log.warning("closed a connection: others need the room of its half message")
            link.abort()
        return True

    def _unhurried(self) -> list[Connection]:
        long_ago = time.monotonic() - self.unhurried_seconds
        begun = [(link, link.gathers_since) for link in self.links]
        return [link for link, since in begun if since is not None and since <= long_ago]
