"""Where clients connect: a Unix socket in a private folder, or a loopback port."""

import asyncio
import socket
from pathlib import Path

from leafmongo.errors import LocalError
from leafmongo.proxy.context import ListenerContext
from leafmongo.proxy.idle import LiveConnections


async def listen_on_socket(
    path: Path, context: ListenerContext, live: LiveConnections
) -> asyncio.Server:
    path.unlink(missing_ok=True)
    server = await asyncio.get_running_loop().create_unix_server(
        lambda: live.accept(context).client, str(path), backlog=1024
    )
    path.chmod(0o600)
    return server


async def listen_on_port(
    bound: socket.socket, context: ListenerContext, live: LiveConnections
) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(
        lambda: live.accept(context).client, sock=bound, backlog=1024
    )


def bind(host: str, port: int) -> socket.socket:
    """Reserve that port, or any free one when 0; clients cannot connect yet."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise LocalError(
            f"--port {port}: cannot be used ({error}); expected a free port. "
            "Name another one, or 0 for any free port"
        ) from error
    return bound
