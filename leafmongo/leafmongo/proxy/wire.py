"""MongoDB's wire protocol, as far as the gateway has to read it: heads, bodies, rewriting.

Everything here raises WireError on bytes that are no message; nothing trusts a length.
"""

import itertools
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

from leafmongo.proxy import large_bson

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
# Names and ids may be any bytes: mongod does not look whether they are UTF-8.
LENIENT = CODEC.with_options(unicode_decode_error_handler="replace")
MOST_LEVELS = 200  # of documents and arrays in each other, below a command: mongod's own limit
_MOST_SECTIONS = 100
_header = struct.Struct("<iiii")
_int32 = struct.Struct("<i")
_uint32 = struct.Struct("<I")
_request_ids = itertools.count(1)


class WireError(Exception):
    """These bytes are no message of the protocol."""


class NotUtf8(WireError):
    """A string in it is not UTF-8, which mongod takes."""


class TooDeep(WireError):
    """Documents in each other, more than mongod takes; it says so itself."""


@dataclass(frozen=True)
class Head:
    """What the beginning of a message tells. `name` is None where no command can be seen."""

    size: int
    request_id: int
    opcode: int
    flags: int = 0
    name: str | None = None
    target: str | None = None
    body_first: bool = True  # else document sequences come before it

    @property
    def unanswered(self) -> bool:
        return self.opcode == OP_MSG and bool(self.flags & MORE_TO_COME)


@dataclass(frozen=True)
class Request:
    """A command, its document sequences already put into the body.

    Where it is not `exact`, strings that are not UTF-8 are not what the client sent.
    """

    request_id: int
    body: dict[str, Any]
    size: int = 0
    exact: bool = True

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


def first_message(data: bytes, at: int) -> bytes:
    """What there is of the message that begins there."""
    if len(data) - at < HEADER_BYTES:
        return data[at:]
    return data[at : at + message_size(memoryview(data)[at:])]


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
    at = _body_at(data)
    if at is None or len(data) < at + 7:
        return Head(size, request_id, OP_MSG, flags)
    end = data.find(b"\0", at + 6, at + 6 + 128)
    if end < 0:
        return Head(size, request_id, OP_MSG, flags)
    name = data[at + 6 : end].decode("utf-8", "replace")
    target = _string_at(data, end + 1, data[at + 5])
    return Head(size, request_id, OP_MSG, flags, name, target, body_first=at == 20)


def _body_at(data: bytes) -> int | None:
    """Where the section with the command begins, if it is there: behind its kind, and behind the
    document sequences that may come first."""
    at = 20
    for _ in range(_MOST_SECTIONS):
        if len(data) < at + 5 or data[at] > 1:
            return None
        if data[at] == 0:
            return at
        at += 1 + max(5, _int32.unpack_from(data, at + 1)[0])
    return None


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
    try:
        return Request(request_id, _body(message, end, CODEC), size)
    except NotUtf8:
        return Request(request_id, _body(message, end, LENIENT), size, exact=False)


def _body(message: bytes, end: int, codec: CodecOptions[dict[str, Any]]) -> dict[str, Any]:
    body: dict[str, Any] | None = None
    sequences: dict[str, list[dict[str, Any]]] = {}
    at = 20
    while at < end:
        kind, at = message[at], at + 1
        section = _section(message, at, end)
        at += len(section)
        if kind == 0:
            body = _decode(section, codec)
        elif kind == 1:
            name, documents = _sequence(section, codec)
            sequences[name] = documents
        else:
            raise WireError(f"a section of kind {kind}; known are 0 and 1")
    if not body:
        raise WireError("a message without a command")
    return {**body, **sequences}


def _section(message: bytes, at: int, end: int) -> bytes:
    if at + 5 > end:
        raise WireError("a section ends before it begins")
    length = _int32.unpack_from(message, at)[0]
    if not 5 <= length <= end - at:
        raise WireError(f"a section of {length} bytes where {end - at} are left")
    return message[at : at + length]


def _sequence(
    section: bytes, codec: CodecOptions[dict[str, Any]]
) -> tuple[str, list[dict[str, Any]]]:
    end = section.find(b"\0", 4)
    if end < 0:
        raise WireError("a document sequence without a name")
    name = section[4:end].decode(errors="replace")
    return name, [_decode(document, codec) for document in _documents(section, end + 1)]


def _documents(section: bytes, at: int) -> Iterator[bytes]:
    while at < len(section):
        document = _section(section, at, len(section))
        at += len(document)
        yield document


def _decode(document: bytes, codec: CodecOptions[dict[str, Any]] = CODEC) -> dict[str, Any]:
    try:
        return large_bson.decode(document, codec)
    except RecursionError as error:
        raise TooDeep("a document that is nested too deep") from error
    except (BSONError, UnicodeDecodeError, OverflowError) as error:
        if "recursion depth" in str(error):  # in PyMongo's wrapping
            raise TooDeep("a document that is nested too deep") from error
        if codec is CODEC and "codec can't decode" in str(error):
            raise NotUtf8(f"a string that is not UTF-8: {error}") from error
        raise WireError(f"a document that is no BSON: {error}") from error


def is_too_deep(body: Mapping[str, Any]) -> bool:
    """Whether it has more documents and arrays in each other than mongod takes."""
    level: list[Any] = [body]
    for _ in range(MOST_LEVELS + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(outer: Any) -> list[Any]:
    values = outer.values() if isinstance(outer, Mapping) else outer
    return [value for value in values if isinstance(value, dict | list)]


def write_message(
    body: Mapping[str, Any], *, request_id: int = 0, response_to: int = 0, large: bool = False
) -> bytes:
    """An OP_MSG. Without a request id it gets one of its own. `large` is for threads: it lets
    others go on meanwhile."""
    encode = large_bson.encode if large else bson.encode
    document = encode(body, codec_options=CODEC)
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
