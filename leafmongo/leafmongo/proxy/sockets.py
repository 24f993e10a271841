"""Where clients come in: a Unix socket in a private folder, or a port for this machine alone."""

import asyncio
import socket
from pathlib import Path

from leafmongo.deployment.paths import LOOPBACK
from leafmongo.errors import LocalError
from leafmongo.proxy.context import Entrance
from leafmongo.proxy.relay import Link


async def on_socket(path: Path, entrance: Entrance) -> asyncio.Server:
    path.unlink(missing_ok=True)
    server = await asyncio.get_running_loop().create_unix_server(
        lambda: Link(entrance).client, str(path), backlog=1024
    )
    path.chmod(0o600)
    return server


async def on_port(bound: socket.socket, entrance: Entrance) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(
        lambda: Link(entrance).client, sock=bound, backlog=1024
    )


def bind(port: int) -> socket.socket:
    """That port of the loopback interface, or any free one when 0; nobody can connect yet."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise LocalError(
            f"--port {port}: it cannot be used ({error}); another one, or 0 for any that is free"
        ) from error
    return bound
