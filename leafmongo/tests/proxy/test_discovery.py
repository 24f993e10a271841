"""Only replies that describe the replica set are rewritten, however the stream is cut."""

import struct
from typing import Any

import bson
from hypothesis import given, settings
from hypothesis import strategies as st

from leafmongo.proxy.discovery import Discovery
from leafmongo.proxy.wire import MORE_TO_COME, OP_REPLY, read_request, write_message

SET = {"setName": "rs", "ismaster": True, "hosts": ["a:1", "b:1"], "primary": "a:1", "me": "a:1"}
HERE = {"setName": "rs", "ismaster": True, "primary": "here", "hosts": ["here"], "me": "here"}


def old_reply(body: dict[str, Any], answered: int) -> bytes:
    document = bson.encode(body)
    head = struct.pack("<iiii", 36 + len(document), 9, answered, OP_REPLY)
    return head + struct.pack("<iqii", 8, 0, 0, 1) + document


def rewrite_in_pieces(discovery: Discovery, stream: bytes, cuts: list[int]) -> bytes:
    pieces = []
    for cut in cuts:
        pieces.append(discovery.rewrite(stream[:cut]))
        stream = stream[cut:]
    return b"".join([*pieces, discovery.rewrite(stream)])


@settings(deadline=None)
@given(st.lists(st.integers(1, 300), max_size=20))
def test_only_replies_to_handshakes_are_rewritten(cuts: list[int]) -> None:
    discovery = Discovery("here")
    discovery.expect_reply(1)
    discovery.expect_reply(3)
    other = write_message({**SET, "long": "x" * 500}, request_id=8, response_to=2)
    stream = write_message(SET, request_id=7, response_to=1) + other + old_reply(SET, 3)

    out = rewrite_in_pieces(discovery, stream, cuts)

    first = write_message(HERE, request_id=7, response_to=1)
    assert out == first + other + old_reply(HERE, 3)


@settings(deadline=None)
@given(st.lists(st.integers(1, 100), max_size=20))
def test_streamed_handshake_replies_are_rewritten(cuts: list[int]) -> None:
    discovery = Discovery("here")
    discovery.expect_reply(1)
    replies = [write_message(SET, request_id=n + 1, response_to=n) for n in range(1, 5)]
    more = [r[:16] + struct.pack("<I", MORE_TO_COME) + r[20:] for r in replies[:3]]

    out = rewrite_in_pieces(discovery, b"".join([*more, *replies[3:]]), cuts)

    hosts = []
    while out:
        (size,) = struct.unpack_from("<i", out)
        hosts.append(read_request(out[:size]).body["hosts"])
        out = out[size:]
    assert hosts == [["here"]] * 4


def test_error_reply_passes_unchanged() -> None:
    discovery = Discovery("here")
    discovery.expect_reply(1)
    refused = write_message({"ok": 0.0, "errmsg": "no", "code": 13}, request_id=2, response_to=1)

    assert discovery.rewrite(refused) == refused
