"""What the connections of one listening socket share, and what a search command may do on one."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

# Connects a new stream to mongod; returns a value that identifies the member it reached.
Dial = Callable[[Callable[[], asyncio.Protocol]], Awaitable[object]]


class Reply(bytes):
    """A message for the client."""


class ForwardedCommand(bytes):
    """A message for mongod; the client gets mongod's reply."""

    may_write = False


@dataclass(frozen=True, eq=False)
class ClientChannel:
    """The client's own connection to mongod: commands on it run with the client's rights."""

    run: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
    readable: set[tuple[str, str]] = field(default_factory=set)  # namespaces known to be readable


Handle = Callable[[bytes, ClientChannel], Awaitable[Reply | ForwardedCommand]]


@dataclass(frozen=True)
class ListenerContext:
    dial: Dial
    admit: Callable[[int], Awaitable[None]]  # waits until this client process may reach mongod
    handle: Handle
    on_write: Callable[[str | None], None]  # the collection written to, None for any
    host: str | None = None  # the only host named to clients; None: the hosts that mongod names
    own_certificate: bool = False  # `dial` presents a certificate, so no client may log in by one
