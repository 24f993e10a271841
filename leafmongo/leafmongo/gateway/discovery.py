"""Replies that describe the replica set: in front of someone else's, they name the gateway alone.

A driver that is told of several hosts connects to them, past the gateway.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import bson
from bson.errors import BSONError

from leafmongo.proxy import wire

# Where the document of a reply begins: behind flags and section kind, or, to an OP_QUERY, behind
# flags, cursor and two counts.
_BODY_AT = {wire.OP_MSG: 21, wire.OP_REPLY: 36}
_MEMBERS = ("hosts", "passives", "arbiters", "me", "primary")


class Discovery:
    """What mongod sends on one connection goes through `told`."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._asked: set[int] = set()
        self._held = bytearray()  # the beginning of a message that is not complete yet
        self._passing = 0  # bytes of another's message that are still to come

    def asked(self, request_id: int) -> None:
        """The client has sent a handshake of that number."""
        self._asked.add(request_id)

    def told(self, data: bytes) -> bytes:
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
            if wire.response_to(self._held) not in self._asked:
                self._passing = size
            elif len(self._held) < size:
                return
            else:
                yield self._rewritten(bytes(self._held[:size]))
                del self._held[:size]

    def _take(self, size: int) -> bytes:
        piece = bytes(self._held[:size])
        del self._held[:size]
        self._passing -= len(piece)
        return piece

    def _rewritten(self, message: bytes) -> bytes:
        _, number, answered, opcode = struct.unpack_from("<iiii", message)
        at = _BODY_AT.get(opcode)
        if at is None or len(message) < at + 5:
            raise wire.WireError(f"a reply to a handshake with opcode {opcode}")
        self._asked.discard(answered)
        if opcode == wire.OP_MSG and message[16] & wire.MORE_TO_COME:
            # A driver that watches: each further reply answers the one before it.
            self._asked.add(number)
        try:
            reply = bson.decode(message[at:], wire.CODEC)
        except BSONError as error:
            raise wire.WireError(f"a reply to a handshake that is no BSON: {error}") from error
        body = bson.encode(only_host(reply, self._host), codec_options=wire.CODEC)
        head = struct.pack("<iiii", at + len(body), number, answered, opcode)
        return head + message[16:at] + body


def only_host(reply: Mapping[str, Any], host: str) -> dict[str, Any]:
    """A reply to a handshake by a member of a replica set that has this host and no other."""
    if "setName" not in reply:
        return dict(reply)
    kept = {key: value for key, value in reply.items() if key not in _MEMBERS}
    if reply.get("isWritablePrimary") or reply.get("ismaster"):
        kept["primary"] = host
    return {**kept, "hosts": [host], "me": host}
