"""Everything except searches passes as if there were no gateway."""

import os
import signal
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import CursorType, InsertOne, MongoClient
from pymongo.errors import DuplicateKeyError, ExecutionTimeout, OperationFailure

from leafmongo import LocalDeployment
from leafmongo.deployment.paths import Home
from leafmongo.proxy.wire import MAX_MESSAGE_BYTES, MORE_TO_COME, OP_MSG, write_message
from mongotests.raw import connected, message, old_query, reply, with_checksum
from mongotests.searching import Documents, create, definition, stage

Client = MongoClient[dict[str, Any]]


@pytest.fixture
def raw(deployment: LocalDeployment) -> Iterator[socket.socket]:
    """A bare stream to the gateway."""
    with connected(socket_of(deployment)) as stream:
        yield stream


def socket_of(deployment: LocalDeployment) -> Path:
    return Home.at(Path(deployment.status().home)).gateway_socket


def test_document_of_16_megabytes(documents: Documents) -> None:
    large = {"_id": 1, "bytes": b"x" * (16 * 2**20 - 100)}

    documents.insert_one(large)

    assert documents.find_one() == large


def test_batch_of_48_megabytes(documents: Documents) -> None:
    documents.bulk_write([InsertOne({"_id": i, "b": bytes(2**20)}) for i in range(60)])

    assert documents.count_documents({}) == 60
    assert sum(len(d["b"]) for d in documents.find(batch_size=50)) == 60 * 2**20


def test_message_of_the_largest_size(documents: Documents, raw: socket.socket) -> None:
    rows = [{"_id": n, "b": b""} for n in range(4)]
    insert = {"insert": documents.name, "documents": rows, "$db": documents.database.name}
    largest = _as_sequence(insert)
    assert len(largest) == MAX_MESSAGE_BYTES

    raw.sendall(largest)

    assert reply(raw)["n"] == 4
    assert documents.count_documents({}) == 4


def _as_sequence(insert: dict[str, Any]) -> bytes:
    """A message of the largest size, with its documents behind the command."""
    rows = insert["documents"]
    body = bson.encode({key: value for key, value in insert.items() if key != "documents"})
    empty = sum(len(bson.encode(row)) for row in rows)
    filling = MAX_MESSAGE_BYTES - (16 + 4 + 1 + len(body) + 1 + 4 + len(b"documents\0") + empty)
    for number, row in enumerate(rows):
        row["b"] = bytes(filling // 4 + (filling % 4 if number == 0 else 0))
    documents = b"".join(map(bson.encode, rows))
    section = struct.pack("<i", 4 + 10 + len(documents)) + b"documents\0" + documents
    rest = struct.pack("<I", 0) + b"\0" + body + b"\1" + section
    return struct.pack("<iiii", 16 + len(rest), 1, 0, OP_MSG) + rest


def test_transaction_is_atomic(documents: Documents, client: Client) -> None:
    with client.start_session() as session:
        session.start_transaction()
        documents.insert_one({"_id": 1}, session=session)
        with pytest.raises(DuplicateKeyError):
            documents.insert_one({"_id": 1}, session=session)
        session.abort_transaction()
        assert documents.count_documents({}) == 0
        with session.start_transaction():
            documents.insert_one({"_id": 1}, session=session)

    assert documents.count_documents({}) == 1


def test_retried_write_is_done_once(documents: Documents, deployment: LocalDeployment) -> None:
    with Client(deployment.uri) as client, client.start_session() as session:
        command = {
            "update": documents.name,
            "updates": [{"q": {"_id": 1}, "u": {"$inc": {"n": 1}}, "upsert": True}],
            "txnNumber": bson.Int64(1),
        }
        for _ in range(2):
            client[documents.database.name].command(command, session=session)

    assert documents.find_one() == {"_id": 1, "n": 1}


def test_client_change_stream(documents: Documents) -> None:
    with documents.watch() as stream:
        documents.insert_one({"_id": 1})
        documents.delete_one({"_id": 1})

        assert [next(stream)["operationType"] for _ in range(2)] == ["insert", "delete"]


def test_exhaust_cursor(documents: Documents) -> None:
    documents.insert_many([{"_id": i} for i in range(5000)])

    found = documents.find(cursor_type=CursorType.EXHAUST, batch_size=100)

    assert [document["_id"] for document in found] == list(range(5000))


def test_bytes_are_the_same_as_without_a_gateway(
    documents: Documents, deployment: LocalDeployment
) -> None:
    documents.insert_one({"_id": 1, "a": [1, 2.5, None, {"b": bson.Regex("x", "i")}]})
    behind = deployment.uri.replace("gateway.sock", "mongod.sock")

    raws = []
    for uri in (deployment.uri, behind):
        with MongoClient(uri, document_class=RawBSONDocument) as client:
            raws.append(client[documents.database.name][documents.name].find_one().raw)

    assert raws[0] == raws[1]


def test_discovering_client_stays_at_the_gateway(deployment: LocalDeployment) -> None:
    gateway = str(socket_of(deployment))

    with Client(deployment.uri.split("?")[0] + "?replicaSet=leaf") as client:
        client.admin.command("ping")
        assert {host for host, _ in client.nodes} == {gateway}


def test_handshake_of_old_drivers(raw: socket.socket) -> None:
    for number, name in enumerate(("isMaster", "ismaster", "hello"), 1):
        raw.sendall(old_query({name: 1, "compression": ["zlib"]}, number))

        answer = bson.decode(message(raw)[36:])
        assert answer["ok"] == 1
        assert answer["setName"] == "leaf"
        assert "compression" not in answer


def test_streamed_handshake(raw: socket.socket) -> None:
    hello = {"hello": 1, "$db": "admin"}
    raw.sendall(write_message(hello, request_id=1))
    watch = {**hello, "topologyVersion": reply(raw)["topologyVersion"], "maxAwaitTimeMS": 100}
    asked = bytearray(write_message(watch, request_id=2))
    asked[16:20] = struct.pack("<I", 1 << 16)  # exhaustAllowed

    raw.sendall(asked)

    answered = 2
    for _ in range(3):
        answer = message(raw)
        _, number, to, _, flags = struct.unpack_from("<iiiiI", answer)
        assert to == answered
        assert flags & MORE_TO_COME
        answered = number


def test_compression_is_not_negotiated(documents: Documents, deployment: LocalDeployment) -> None:
    create(documents, definition(2))
    documents.insert_one({"_id": 1, "v": [1.0, 0.0], "long": "x" * 10_000})

    with Client(deployment.uri, compressors="zlib") as client:
        found = list(client[documents.database.name].documents.aggregate([stage([1.0, 0.0])]))

    assert [hit["_id"] for hit in found] == [1]


def test_search_with_a_checksum_and_pipelined_requests(
    documents: Documents, raw: socket.socket
) -> None:
    documents.insert_one({"_id": 1, "v": [1.0, 0.0]})
    create(documents, definition(2))
    body = {
        "aggregate": documents.name,
        "pipeline": [stage([1.0, 0.0])],
        "cursor": {},
        "$db": documents.database.name,
    }
    search = with_checksum(write_message(body, request_id=1))
    ping = write_message({"ping": 1, "$db": "admin"}, request_id=2)

    raw.sendall(search + ping + search)

    assert [hit["_id"] for hit in reply(raw)["cursor"]["firstBatch"]] == [1]
    assert reply(raw)["ok"] == 1
    assert reply(raw)["ok"] == 1


def test_message_byte_by_byte(raw: socket.socket) -> None:
    for byte in write_message({"ping": 1, "$db": "admin"}):
        raw.sendall(bytes([byte]))

    assert reply(raw)["ok"] == 1


def test_errors_of_mongod_reach_the_client(documents: Documents) -> None:
    with pytest.raises(OperationFailure) as error:
        documents.aggregate([{"$noSuchStage": {}}])

    assert error.value.code == 40324


def test_late_answer_to_a_timed_out_search_is_dropped(
    deployment: LocalDeployment, documents: Documents
) -> None:
    """The gateway has sent a side command on this client's connection."""
    documents.insert_one({"v": [1.0, 0.0]})
    create(documents, definition(2))
    pid = deployment.status().mongod_pid
    assert pid is not None
    with Client(deployment.uri, maxPoolSize=1) as client:
        mine = client[documents.database.name][documents.name]
        client.admin.command("ping")
        os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(2):
                with pytest.raises(ExecutionTimeout):
                    mine.aggregate([stage([1.0, 0.0])], maxTimeMS=100)
        finally:
            os.kill(pid, signal.SIGCONT)

        assert mine.count_documents({}) == 1
        assert len(list(mine.aggregate([stage([1.0, 0.0])], maxTimeMS=60_000))) == 1
