"""What the connections through one listening socket have in common, and may take together."""

from dataclasses import dataclass, field
from typing import Protocol

from local.exchange import Commands, Dial

_GATHERED_BYTES = 512 * 2**20


class Connection(Protocol):
    """One client's, as others look at it."""

    member: object  # which of mongod's replica set it is connected to

    @property
    def gathered(self) -> int:
        """Bytes of a message that is kept until it is complete."""

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

    def has_room_for(self, size: int) -> bool:
        """Whether that much more may be kept until it is complete."""
        return sum(link.gathered for link in self.links) + size <= self.gathered_bytes
