"""Rewrites replies that describe the replica set, so that they name the gateway as its only host.

A driver connects to every host it hears of, past the gateway.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import bson
from bson.errors import BSONError

from leafmongo.proxy import wire

# Where the document of a reply begins: behind flags and section kind; in a reply to an OP_QUERY,
# behind flags, cursor and two counts.
_BODY_AT = {wire.OP_MSG: 21, wire.OP_REPLY: 36}
_MEMBERS = ("hosts", "passives", "arbiters", "me", "primary")


class Discovery:
    """Everything that mongod sends on one connection goes through `rewrite`."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._expected: set[int] = set()  # request ids of handshakes
        self._held = bytearray()  # the beginning of an incomplete message
        self._passing = 0  # bytes that are still to come of a message that passes

    def expect_reply(self, request_id: int) -> None:
        """The client has sent a handshake with this id."""
        self._expected.add(request_id)

    def rewrite(self, data: bytes) -> bytes:
        """Return what may go to the client so far; incomplete replies to handshakes are held."""
        if not self._held and len(data) <= self._passing:
            self._passing -= len(data)
            return data
        return b"".join(self._pieces(data))

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        self._held += data
        while self._passing or len(self._held) >= wire.HEADER_BYTES:
            if self._passing:
                yield self._take(self._passing)
                if self._passing:
                    return
                continue
            size = wire.message_size(self._held)
            if wire.response_to(self._held) not in self._expected:
                self._passing = size
            elif len(self._held) < size:
                return
            else:
                yield self._rewrite_reply(bytes(self._held[:size]))
                del self._held[:size]

    def _take(self, size: int) -> bytes:
        piece = bytes(self._held[:size])
        del self._held[:size]
        self._passing -= len(piece)
        return piece

    def _rewrite_reply(self, message: bytes) -> bytes:
        _, number, answered, opcode = struct.unpack_from("<iiii", message)
        at = _BODY_AT.get(opcode)
        if at is None or len(message) < at + 5:
            raise wire.WireError(f"a reply to a handshake with opcode {opcode}")
        self._expected.discard(answered)
        if opcode == wire.OP_MSG and message[16] & wire.MORE_TO_COME:
            # A driver that streams: each further reply answers the one before it.
            self._expected.add(number)
        try:
            reply = bson.decode(message[at:], wire.CODEC)
        except BSONError as error:
            raise wire.WireError(f"a reply to a handshake that is not BSON: {error}") from error
        body = bson.encode(only_host(reply, self._host), codec_options=wire.CODEC)
        head = struct.pack("<iiii", at + len(body), number, answered, opcode)
        return head + message[16:at] + body


def only_host(reply: Mapping[str, Any], host: str) -> dict[str, Any]:
    """The reply of a replica set member to a handshake, with this host as the only one."""
    if "setName" not in reply:
        return dict(reply)
    kept = {key: value for key, value in reply.items() if key not in _MEMBERS}
    if reply.get("isWritablePrimary") or reply.get("ismaster"):
        kept["primary"] = host
    return {**kept, "hosts": [host], "me": host}
