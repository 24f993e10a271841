"""Bare streams to a gateway, and bytes that no driver would send."""

import socket
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bson

from leafmongo.proxy.wire import CHECKSUM_PRESENT, OP_COMPRESSED, OP_MSG, OP_QUERY, read_request


@contextmanager
def connected(at: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(20)
        stream.connect(str(at))
        yield stream


def message(stream: socket.socket) -> bytes:
    head = _exactly(stream, 16)
    (size,) = struct.unpack_from("<i", head)
    return head + _exactly(stream, size - 16)


def reply(stream: socket.socket) -> dict[str, Any]:
    return read_request(message(stream)).body


def closed(stream: socket.socket) -> bool:
    """Whether the other end has closed, after everything it sent is read."""
    try:
        while stream.recv(2**20):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def _exactly(stream: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = stream.recv(count - len(data))
        assert piece, "closed in the middle of a message"
        data += piece
    return bytes(data)


def with_checksum(message: bytes) -> bytes:
    size, request, to, opcode, flags = struct.unpack_from("<iiiiI", message)
    assert opcode == OP_MSG
    head = struct.pack("<iiiiI", size + 4, request, to, opcode, flags | CHECKSUM_PRESENT)
    return head + message[20:] + struct.pack("<I", zlib.crc32(message))


def compressed(message: bytes) -> bytes:
    """Compress by zlib without negotiation."""
    size, request, to, opcode = struct.unpack_from("<iiii", message)
    packed = zlib.compress(message[16:])
    head = struct.pack(
        "<iiiiiiB", 25 + len(packed), request, to, OP_COMPRESSED, opcode, size - 16, 2
    )
    return head + packed


def old_query(body: dict[str, Any], number: int) -> bytes:
    """An OP_QUERY, which a handshake may still be."""
    query = struct.pack("<i", 0) + b"admin.$cmd\0" + struct.pack("<ii", 0, -1) + bson.encode(body)
    return struct.pack("<iiii", 16 + len(query), number, 0, OP_QUERY) + query
