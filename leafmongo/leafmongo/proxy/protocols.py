"""What the relay and those who answer search commands know of each other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

# Connects a new stream to mongod: to which of its members, by anything that tells them apart.
Dial = Callable[[Callable[[], asyncio.Protocol]], Awaitable[object]]


class Asker(Protocol):
    """A way to ask mongod something as the client, on the client's own connection."""

    readable: set[tuple[str, str]]  # collections that the client is known to have a right to read

    async def ask(self, body: dict[str, Any]) -> dict[str, Any]: ...


class Commands(Protocol):
    """What the relay leaves to others."""

    def wrote(self, collection: str | None) -> None:
        """Documents of that collection, or of any when None, may have changed."""

    async def admit(self, pid: int, /) -> None:
        """Return when a client, a process of this machine, can be let through to mongod."""

    async def handle(self, message: bytes, asker: Asker) -> "Reply | Forward": ...


class Reply(bytes):
    """A message for the client."""


class Forward(bytes):
    """A message for mongod, whose reply is the client's."""

    writes = False  # may end in a collection
