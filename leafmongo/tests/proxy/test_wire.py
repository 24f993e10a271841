"""The parser of the wire protocol reads messages and rejects all other bytes."""

import struct
from contextlib import suppress
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from hypothesis import given, settings
from hypothesis import strategies as st

from leafmongo.proxy.classify import (
    MessageKind,
    classify,
    describes_hosts,
    logs_in_by_certificate,
    max_bytes,
    needs_whole,
)
from leafmongo.proxy.wire import (
    OP_MSG,
    OP_QUERY,
    TooDeep,
    WireError,
    is_too_deep,
    read_head,
    read_request,
    refuse_opcode,
    without_compression,
    write_message,
)

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
bodies = st.dictionaries(names, values, min_size=1, max_size=4)


@settings(deadline=None)
@given(bodies, st.integers(1, 2**31 - 1))
def test_written_messages_can_be_read(body: dict[str, Any], number: int) -> None:
    request = read_request(write_message(body, request_id=number))

    assert request.request_id == number
    assert request.body == body


def look(data: bytes) -> None:
    """Do all that a connection does with the bytes of a message; only WireError may be raised."""
    for read in (refuse_opcode, read_request, without_compression):
        with suppress(WireError):
            read(data)
    with suppress(WireError):
        head = read_head(data)
        classify(head, data)
        needs_whole(head)
        max_bytes(head)
        logs_in_by_certificate(head, data)
        describes_hosts(head)


@settings(max_examples=2000, deadline=None)
@given(st.binary(min_size=16, max_size=200))
def test_any_bytes_are_read_or_rejected(data: bytes) -> None:
    look(data)


@settings(max_examples=1000, deadline=None)
@given(
    st.just(0) | st.integers(-50, 50),
    st.sampled_from([OP_MSG, OP_QUERY]),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=200),
)
def test_any_bytes_after_a_header_are_read_or_rejected(
    more: int, opcode: int, flags: int, rest: bytes
) -> None:
    look(struct.pack("<iiiiI", 20 + len(rest) + more, 1, 0, opcode, flags) + rest)


@settings(max_examples=500, deadline=None)
@given(bodies, st.data())
def test_damaged_message_is_read_or_rejected(body: dict[str, Any], data: st.DataObject) -> None:
    message = bytearray(write_message(body))
    at = data.draw(st.integers(0, len(message) - 1))
    message[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(16, len(message)))

    look(bytes(message))
    look(bytes(message[:cut]))


def test_head_shows_command_and_collection() -> None:
    head = read_head(write_message({"insert": "things", "$db": "d"}, request_id=7))

    assert (head.name, head.target, head.request_id) == ("insert", "things", 7)


def test_document_sequence_becomes_part_of_the_body() -> None:
    documents = b"".join(bson.encode({"_id": i}) for i in range(3))
    sequence = struct.pack("<i", 4 + 10 + len(documents)) + b"documents\0" + documents
    body = bson.encode({"insert": "things"})
    sections = b"\x01" + sequence + b"\x00" + body
    message = struct.pack("<iiiiI", 20 + len(sections), 1, 0, OP_MSG, 0) + sections

    request = read_request(message)

    assert request.body == {"insert": "things", "documents": [{"_id": i} for i in range(3)]}
    assert needs_whole(read_head(message))


def test_only_compressors_are_removed_from_a_handshake() -> None:
    hello = {"hello": 1, "compression": ["zlib"], "client": {"driver": {"name": "x"}}}
    kept = {key: value for key, value in hello.items() if key != "compression"}
    query = b"\0\0\0\0admin.$cmd\0" + struct.pack("<ii", 0, -1) + bson.encode(hello)
    legacy = struct.pack("<iiii", 16 + len(query), 5, 0, OP_QUERY) + query

    modern = without_compression(write_message(hello, request_id=5))
    shorter = without_compression(legacy)

    assert read_request(modern).body == kept
    assert shorter.endswith(bson.encode(kept))
    assert read_head(shorter).size == len(shorter)
    assert read_head(shorter).request_id == 5


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"ping": 1}, MessageKind.PASS),
        ({"hello": 1}, MessageKind.PASS),
        ({"hello": 1, "compression": ["zstd"]}, MessageKind.HANDSHAKE),
        ({"insert": "c"}, MessageKind.WRITE),
        ({"renameCollection": "d.c"}, MessageKind.WRITE_ANY),
        ({"commandOfTheFuture": 1}, MessageKind.WRITE_ANY),
        ({"aggregate": "c", "pipeline": []}, MessageKind.PASS),
        ({"aggregate": "c", "pipeline": [{"$out": "d"}]}, MessageKind.WRITE_ANY),
        ({"aggregate": "c", "pipeline": [{"$vectorSearch": {}}]}, MessageKind.SEARCH),
        ({"explain": {"aggregate": "c", "pipeline": [{"$vectorSearch": {}}]}}, MessageKind.SEARCH),
        ({"dropSearchIndex": "c"}, MessageKind.SEARCH),
    ],
    ids=str,
)
def test_commands_are_classified(body: dict[str, Any], kind: MessageKind) -> None:
    message = write_message(body)

    assert classify(read_head(message), message) is kind


def nested(levels: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(levels - 1):
        document = {"a": document}
    return {"aggregate": "c", "deep": document}


def test_depth_limit_is_mongods() -> None:
    assert not is_too_deep(nested(200))
    assert is_too_deep(nested(201))
    with pytest.raises(TooDeep):
        read_request(write_message({"aggregate": "c", "deep": bson_nested(50_000)}))


def bson_nested(levels: int) -> RawBSONDocument:
    """Nested more deeply than Python could encode."""
    document = b"\x05\0\0\0\0"
    for _ in range(levels):
        document = struct.pack("<i", len(document) + 8) + b"\x03a\0" + document + b"\0"
    return RawBSONDocument(document)


def test_strings_that_are_not_utf8_make_a_request_inexact() -> None:
    message = write_message({"aggregate": "QQ", "$db": "d"})

    request = read_request(message.replace(b"QQ", b"\xa7\xa7"))

    assert read_request(message).exact
    assert not request.exact
    assert request.body["aggregate"] == "\ufffd\ufffd"


def test_search_for_the_command_is_bounded() -> None:
    sections = (b"\x01" + struct.pack("<i", 6) + b"a\0") * 100_000
    message = struct.pack("<iiiiI", 20 + len(sections), 1, 0, OP_MSG, 0) + sections

    assert read_head(message).name is None
