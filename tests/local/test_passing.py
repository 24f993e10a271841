"""Everything that is no search goes through as if there were no gateway."""

import socket
import struct
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import CursorType, InsertOne, MongoClient
from pymongo.errors import DuplicateKeyError, OperationFailure

from local import LocalDeployment
from local.home import Home
from local.wire import CHECKSUM_PRESENT, OP_MSG, read_request, write_message
from tests.local.searching import Documents, create, definition, stage

Client = MongoClient[dict[str, Any]]


@pytest.fixture
def raw(deployment: LocalDeployment) -> Any:
    """A bare stream to the gateway."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(20)
        stream.connect(str(Home.at(Path(deployment.status().home)).gateway_socket))
        yield stream


def reply(stream: socket.socket) -> dict[str, Any]:
    head = _exactly(stream, 16)
    (size,) = struct.unpack_from("<i", head)
    return read_request(head + _exactly(stream, size - 16)).body


def _exactly(stream: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = stream.recv(count - len(data))
        assert piece, "closed in the middle of a message"
        data += piece
    return data


def test_a_document_of_16_megabytes(documents: Documents) -> None:
    large = {"_id": 1, "bytes": b"x" * (16 * 2**20 - 100)}

    documents.insert_one(large)

    assert documents.find_one() == large


def test_a_batch_of_48_megabytes(documents: Documents) -> None:
    documents.bulk_write([InsertOne({"_id": i, "b": bytes(2**20)}) for i in range(60)])

    assert documents.count_documents({}) == 60
    assert sum(len(d["b"]) for d in documents.find(batch_size=50)) == 60 * 2**20


def test_a_transaction_is_all_or_nothing(documents: Documents, client: Client) -> None:
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


def test_a_retried_write_is_done_once(documents: Documents, deployment: LocalDeployment) -> None:
    with Client(deployment.uri) as client, client.start_session() as session:
        command = {
            "update": documents.name,
            "updates": [{"q": {"_id": 1}, "u": {"$inc": {"n": 1}}, "upsert": True}],
            "txnNumber": bson.Int64(1),
        }
        for _ in range(2):
            client[documents.database.name].command(command, session=session)

    assert documents.find_one() == {"_id": 1, "n": 1}


def test_a_change_stream_of_the_client(documents: Documents) -> None:
    with documents.watch() as stream:
        documents.insert_one({"_id": 1})
        documents.delete_one({"_id": 1})

        assert [next(stream)["operationType"] for _ in range(2)] == ["insert", "delete"]


def test_an_exhaust_cursor(documents: Documents) -> None:
    documents.insert_many([{"_id": i} for i in range(5000)])

    found = documents.find(cursor_type=CursorType.EXHAUST, batch_size=100)

    assert [document["_id"] for document in found] == list(range(5000))


def test_bytes_are_the_same_as_without(documents: Documents, deployment: LocalDeployment) -> None:
    documents.insert_one({"_id": 1, "a": [1, 2.5, None, {"b": bson.Regex("x", "i")}]})
    behind = deployment.uri.replace("gateway.sock", "mongod.sock")

    raws = []
    for uri in (deployment.uri, behind):
        with MongoClient(uri, document_class=RawBSONDocument) as client:
            raws.append(client[documents.database.name][documents.name].find_one().raw)

    assert raws[0] == raws[1]


def test_a_client_that_discovers_stays_at_the_gateway(deployment: LocalDeployment) -> None:
    gateway = str(Home.at(Path(deployment.status().home)).gateway_socket)

    with Client(deployment.uri.split("?")[0] + "?replicaSet=leaf") as client:
        client.admin.command("ping")
        assert {host for host, _ in client.nodes} == {gateway}


def test_compression_is_not_agreed_on(documents: Documents, deployment: LocalDeployment) -> None:
    create(documents, definition(2))
    documents.insert_one({"_id": 1, "v": [1.0, 0.0], "long": "x" * 10_000})

    with Client(deployment.uri, compressors="zlib") as client:
        found = list(client[documents.database.name].documents.aggregate([stage([1.0, 0.0])]))

    assert [hit["_id"] for hit in found] == [1]


def test_several_hundred_connections_at_once(deployment: LocalDeployment) -> None:
    gateway = str(Home.at(Path(deployment.status().home)).gateway_socket)
    ping = write_message({"ping": 1, "$db": "admin"})

    with ExitStack() as opened:
        streams = [opened.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(400)]
        for stream in streams:
            stream.settimeout(30)
            stream.connect(gateway)
        for stream in streams:
            stream.sendall(ping)
        answers = [reply(stream)["ok"] for stream in streams]

    assert answers == [1.0] * 400


def test_a_search_with_a_checksum_and_pipelined_requests(
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


def with_checksum(message: bytes) -> bytes:
    size, request, to, opcode, flags = struct.unpack_from("<iiiiI", message)
    assert opcode == OP_MSG
    head = struct.pack("<iiiiI", size + 4, request, to, opcode, flags | CHECKSUM_PRESENT)
    return head + message[20:] + struct.pack("<I", zlib.crc32(message))


def test_a_message_byte_by_byte(raw: socket.socket) -> None:
    for byte in write_message({"ping": 1, "$db": "admin"}):
        raw.sendall(bytes([byte]))

    assert reply(raw)["ok"] == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        struct.pack("<iiii", 3, 1, 0, OP_MSG),
        struct.pack("<iiii", 2**31 - 1, 1, 0, OP_MSG),
        struct.pack("<iiii", -1, 1, 0, OP_MSG),
        struct.pack("<iiiiI", 40, 1, 0, OP_MSG, 0) + b"\x01" + b"\xff" * 19,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["short", "long", "negative", "section", "http"],
)
def test_nonsense_ends_its_connection_and_no_other(
    raw: socket.socket, client: Client, nonsense: bytes
) -> None:
    raw.sendall(nonsense)

    assert raw.recv(1000) == b""
    assert client.admin.command("ping")["ok"] == 1


def test_a_client_that_reads_nothing_holds_up_nobody(
    documents: Documents, raw: socket.socket, client: Client
) -> None:
    documents.insert_many([{"b": bytes(2**20)} for _ in range(12)])
    find = {"find": documents.name, "batchSize": 12, "$db": documents.database.name}

    for number in range(1, 20):
        raw.sendall(write_message(find, request_id=number))

    assert client.admin.command("ping")["ok"] == 1
    assert len(reply(raw)["cursor"]["firstBatch"]) == 12


def test_an_error_of_mongod_is_the_clients(documents: Documents) -> None:
    with pytest.raises(OperationFailure) as error:
        documents.aggregate([{"$noSuchStage": {}}])

    assert error.value.code == 40324
