"""MongoDB's wire protocol, as far as the gateway has to read it: heads, bodies, rewriting.

Everything here raises WireError on bytes that are not a message, and checks every length.
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
# Including those of mongod before 6.0, which may run behind the gateway.
_OPCODES = frozenset({OP_QUERY, OP_MSG, 2001, 2002, 2005, 2006, 2007})
HEADER_BYTES = 16
MAX_MESSAGE_BYTES = 48_000_000  # mongod's own limit; it closes the connection beyond it
CHECKSUM_PRESENT, MORE_TO_COME = 1, 2
_STRING = 2

# Whatever a client can send is written out again unchanged, including dates beyond year 9999.
CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    document_class=dict, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
# Names and ids may be any bytes: mongod does not check that they are UTF-8.
LENIENT = CODEC.with_options(unicode_decode_error_handler="replace")
MAX_LEVELS = 200  # nested documents and arrays below a command, mongod's own limit
_MAX_SECTIONS = 100
_header = struct.Struct("<iiii")
_int32 = struct.Struct("<i")
_uint32 = struct.Struct("<I")
_request_ids = itertools.count(1)


class WireError(Exception):
    """These bytes are not a message of the protocol."""


class NotUtf8(WireError):
    """A string in the message is not UTF-8. mongod accepts such a string."""


class TooDeep(WireError):
    """Documents are nested deeper than mongod accepts. mongod answers such a command itself."""


@dataclass(frozen=True)
class Head:
    """What the beginning of a message shows. `name` is None when no command can be read."""

    size: int
    request_id: int
    opcode: int
    flags: int = 0
    name: str | None = None
    target: str | None = None
    body_first: bool = True  # False: document sequences precede the body

    @property
    def unanswered(self) -> bool:
        return self.opcode == OP_MSG and bool(self.flags & MORE_TO_COME)


@dataclass(frozen=True)
class Request:
    """A command, with its document sequences merged into the body.

    If it is not `exact`, it had strings that are not UTF-8, and these are not as the client sent.
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
    """The length that a message declares; `data` holds at least its header."""
    size: int = _int32.unpack_from(data)[0]
    if not HEADER_BYTES <= size <= MAX_MESSAGE_BYTES:
        raise WireError(f"a message of {size} bytes; expected 16 to {MAX_MESSAGE_BYTES}")
    return size


def first_message(data: bytes, at: int) -> bytes:
    """As much as `data` has of the message that begins there."""
    if len(data) - at < HEADER_BYTES:
        return data[at:]
    return data[at : at + message_size(memoryview(data)[at:])]


def refuse_opcode(data: bytes) -> None:
    """Reject messages that no driver sends; `data` holds at least the header."""
    opcode: int = _header.unpack_from(data)[3]
    if opcode == OP_COMPRESSED:
        raise WireError("a compressed message; compression was not negotiated")
    if opcode not in _OPCODES:
        raise WireError(f"unknown opcode {opcode}; is the client using TLS?")


def read_head(data: bytes) -> Head:
    """The head of a message, which may be incomplete; `data` holds at least its header."""
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
    """Where the section with the command begins, behind any document sequences; None if it has not
    arrived."""
    at = 20
    for _ in range(_MAX_SECTIONS):
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
    """Parse a complete OP_MSG."""
    size = message_size(message)
    if size != len(message) or size < 26:
        raise WireError(f"a message of {len(message)} bytes declares {size}")
    _, request_id, _, opcode = _header.unpack_from(message)
    if opcode != OP_MSG:
        raise WireError(f"opcode {opcode}; expected OP_MSG")
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
            raise WireError(f"a section of kind {kind}; expected 0 or 1")
    if not body:
        raise WireError("a message without a command")
    return {**body, **sequences}


def _section(message: bytes, at: int, end: int) -> bytes:
    if at + 5 > end:
        raise WireError("a section is cut off")
    length = _int32.unpack_from(message, at)[0]
    if not 5 <= length <= end - at:
        raise WireError(f"a section of {length} bytes; {end - at} are left")
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
        raise TooDeep("a document that is nested too deeply") from error
    except (BSONError, UnicodeDecodeError, OverflowError) as error:
        if "recursion depth" in str(error):  # PyMongo wraps the RecursionError
            raise TooDeep("a document that is nested too deeply") from error
        if codec is CODEC and "codec can't decode" in str(error):
            raise NotUtf8(f"a string that is not UTF-8: {error}") from error
        raise WireError(f"a document that is not BSON: {error}") from error


def is_too_deep(body: Mapping[str, Any]) -> bool:
    """Whether documents and arrays are nested deeper than mongod accepts."""
    level: list[Any] = [body]
    for _ in range(MAX_LEVELS + 1):
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
    """Write an OP_MSG, with a new request id if none is given.

    `large` encodes in steps, so that other threads run meanwhile.
    """
    encode = large_bson.encode if large else bson.encode
    document = encode(body, codec_options=CODEC)
    head = _header.pack(21 + len(document), request_id or next_id(), response_to, OP_MSG)
    return b"".join((head, b"\0\0\0\0\0", document))


def next_id() -> int:
    # Drivers count from 0 or 1 and do not reach such high numbers.
    return 0x60000000 | next(_request_ids) & 0xFFFFFFF


def response_to(message: bytes | bytearray) -> int:
    answered: int = _header.unpack_from(message)[2]
    return answered


def without_compression(message: bytes) -> bytes:
    """Rewrite a handshake, OP_MSG or OP_QUERY, so that it offers no compressors.

    The gateway could not read compressed messages; without an offer, mongod sends none.
    """
    head = read_head(message)
    if head.opcode == OP_MSG:
        request = read_request(message)
        body = {key: value for key, value in request.body.items() if key != "compression"}
        return write_message(body, request_id=request.request_id)
    name_end = message.find(b"\0", 20)
    start = name_end + 9  # behind numberToSkip and numberToReturn
    body = _decode(_section(message, start, len(message)))
    body.pop("compression", None)
    rest = message[16:start] + bson.encode(body, codec_options=CODEC)
    return _header.pack(16 + len(rest), head.request_id, 0, OP_QUERY) + rest
