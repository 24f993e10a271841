"""MongoDB's wire protocol, as far as the gateway has to read it: heads, bodies, rewriting.

Everything here raises WireError on bytes that are no message; nothing trusts a length.
"""

import itertools
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

OP_REPLY, OP_QUERY, OP_COMPRESSED, OP_MSG = 1, 2004, 2012, 2013
# With those of mongods before 6.0, one of which may be behind the gateway.
_OPCODES = frozenset({OP_QUERY, OP_MSG, 2001, 2002, 2005, 2006, 2007})
HEADER_BYTES = 16
MAX_MESSAGE_BYTES = 48_000_000  # mongod's own limit; it closes the connection beyond it
CHECKSUM_PRESENT, MORE_TO_COME = 1, 2
_STRING = 2

# Everything a client can send must come out again as it was, dates beyond year 9999 included.
CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    document_class=dict, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
_header = struct.Struct("<iiii")
_int32 = struct.Struct("<i")
_uint32 = struct.Struct("<I")
_request_ids = itertools.count(1)


class WireError(Exception):
    """These bytes are no message of the protocol."""


@dataclass(frozen=True)
class Head:
    """What the beginning of a message tells. `name` is None where no command can be seen."""

    size: int
    request_id: int
    opcode: int
    flags: int = 0
    name: str | None = None
    target: str | None = None

    @property
    def unanswered(self) -> bool:
        return self.opcode == OP_MSG and bool(self.flags & MORE_TO_COME)


@dataclass(frozen=True)
class Request:
    """A command, its document sequences already put into the body."""

    request_id: int
    body: dict[str, Any]

    @property
    def name(self) -> str:
        return next(iter(self.body))

    @property
    def database(self) -> str:
        return str(self.body.get("$db", ""))


def message_size(data: bytes | bytearray | memoryview) -> int:
    """The length a message claims to have; `data` is at least its header."""
    size: int = _int32.unpack_from(data)[0]
    if not HEADER_BYTES <= size <= MAX_MESSAGE_BYTES:
        raise WireError(f"a message of {size} bytes; allowed are 16 to {MAX_MESSAGE_BYTES}")
    return size


def refuse_opcode(data: bytes) -> None:
    """Of a message of which at least the header is there: those that no driver sends."""
    opcode: int = _header.unpack_from(data)[3]
    if opcode == OP_COMPRESSED:
        raise WireError("a compressed message, which was not agreed on")
    if opcode not in _OPCODES:
        raise WireError(f"opcode {opcode}, which is none; does the client speak TLS?")


def read_head(data: bytes) -> Head:
    """Of a message that may still be incomplete; `data` is at least its header."""
    size = message_size(data)
    _, request_id, _, opcode = _header.unpack_from(data)
    if opcode == OP_MSG:
        return _message_head(data, size, request_id)
    return Head(size, request_id, opcode)


def _message_head(data: bytes, size: int, request_id: int) -> Head:
    if len(data) < 21:
        return Head(size, request_id, OP_MSG)
    flags = _uint32.unpack_from(data, 16)[0]
    if data[20] != 0 or len(data) < 27:
        return Head(size, request_id, OP_MSG, flags)
    end = data.find(b"\0", 26, 26 + 128)
    if end < 0:
        return Head(size, request_id, OP_MSG, flags)
    name = data[26:end].decode("utf-8", "replace")
    return Head(size, request_id, OP_MSG, flags, name, _string_at(data, end + 1, data[25]))


def _string_at(data: bytes, start: int, kind: int) -> str | None:
    if kind != _STRING or len(data) < start + 4:
        return None
    length = _int32.unpack_from(data, start)[0]
    if not 1 <= length <= len(data) - start - 4:
        return None
    return data[start + 4 : start + 3 + length].decode("utf-8", "replace")


def read_request(message: bytes) -> Request:
    """A complete OP_MSG."""
    size = message_size(message)
    if size != len(message) or size < 26:
        raise WireError(f"a message of {len(message)} bytes claims to have {size}")
    _, request_id, _, opcode = _header.unpack_from(message)
    if opcode != OP_MSG:
        raise WireError(f"opcode {opcode} where OP_MSG was expected")
    flags = _uint32.unpack_from(message, 16)[0]
    end = size - 4 if flags & CHECKSUM_PRESENT else size
    body: dict[str, Any] | None = None
    sequences: dict[str, list[dict[str, Any]]] = {}
    at = 20
    while at < end:
        kind, at = message[at], at + 1
        section = _section(message, at, end)
        at += len(section)
        if kind == 0:
            body = _decode(section)
        elif kind == 1:
            name, documents = _sequence(section)
            sequences[name] = documents
        else:
            raise WireError(f"a section of kind {kind}; known are 0 and 1")
    if not body:
        raise WireError("a message without a command")
    return Request(request_id, {**body, **sequences})


def _section(message: bytes, at: int, end: int) -> bytes:
    if at + 5 > end:
        raise WireError("a section ends before it begins")
    length = _int32.unpack_from(message, at)[0]
    if not 5 <= length <= end - at:
        raise WireError(f"a section of {length} bytes where {end - at} are left")
    return message[at : at + length]


def _sequence(section: bytes) -> tuple[str, list[dict[str, Any]]]:
    end = section.find(b"\0", 4)
    if end < 0:
        raise WireError("a document sequence without a name")
    try:
        name = section[4:end].decode()
        return name, bson.decode_all(section[end + 1 :], CODEC) if section[end + 1 :] else []
    except (BSONError, UnicodeDecodeError) as error:
        raise WireError(f"a document sequence that is no BSON: {error}") from error


def _decode(document: bytes) -> dict[str, Any]:
    try:
        return bson.decode(document, CODEC)
    except (BSONError, UnicodeDecodeError, OverflowError, RecursionError) as error:
        raise WireError(f"a document that is no BSON: {error}") from error


def write_message(body: Mapping[str, Any], *, request_id: int = 0, response_to: int = 0) -> bytes:
    """An OP_MSG. Without a request id it gets one of its own."""
    document = bson.encode(body, codec_options=CODEC)
    head = _header.pack(21 + len(document), request_id or next_id(), response_to, OP_MSG)
    return b"".join((head, b"\0\0\0\0\0", document))


def next_id() -> int:
    # High numbers, which drivers that count from 0 or 1 do not reach.
    return 0x60000000 | next(_request_ids) & 0xFFFFFFF


def response_to(message: bytes | bytearray) -> int:
    answered: int = _header.unpack_from(message)[2]
    return answered


def without_compression(message: bytes) -> bytes:
    """The same handshake, as OP_MSG or OP_QUERY, that offers no compressors.

    A compressed message could not be looked into; with no offer, mongod and client agree on none.
    """
    head = read_head(message)
    if head.opcode == OP_MSG:
        request = read_request(message)
        body = {key: value for key, value in request.body.items() if key != "compression"}
        return write_message(body, request_id=request.request_id)
    name_end = message.find(b"\0", 20)
    start = name_end + 9  # behind the numbers to skip and to return
    body = _decode(_section(message, start, len(message)))
    body.pop("compression", None)
    rest = message[16:start] + bson.encode(body, codec_options=CODEC)
    return _header.pack(16 + len(rest), head.request_id, 0, OP_QUERY) + rest
