"""A client that misbehaves loses its connection; others continue, and memory is bounded."""

import logging
import random
import re
import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import bson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from leafmongo import LocalDeployment
from leafmongo.deployment.mongod_binary import find_mongod
from leafmongo.deployment.paths import Home, socket_uri
from leafmongo.proxy.connection import ProxyConnection
from leafmongo.proxy.wire import OP_MSG, OP_QUERY, write_message
from mongotests import in_process
from mongotests.raw import closed, compressed, connected, old_query, reply
from mongotests.searching import Documents, create, definition, stage, wait_for

Client = MongoClient[dict[str, Any]]
# The examples of a test share its fixtures on purpose.
ONE_GATEWAY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PING = {"ping": 1, "$db": "admin"}
LARGE = write_message({"aggregate": "c", "pipeline": [], "x": "x" * 2**20, "$db": "d"})


@pytest.fixture
def gateway(deployment: LocalDeployment) -> Path:
    return home_of(deployment).gateway_socket


@pytest.fixture
def raw(gateway: Path) -> Iterator[socket.socket]:
    with connected(gateway) as stream:
        yield stream


def home_of(deployment: LocalDeployment) -> Home:
    return Home.at(Path(deployment.status().home))


def header(size: int, opcode: int = OP_MSG) -> bytes:
    return struct.pack("<iiii", size, 1, 0, opcode)


NONSENSE = {
    "short": header(3),
    "long": header(2**31 - 1),
    "longer than mongod takes": header(48_000_001) + bytes(9000),
    "negative": header(-1),
    "a section of a kind unknown": header(40) + b"\0\0\0\0\1" + b"\xff" * 19,
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "tls": bytes.fromhex("16030100f8010000f40303") + bytes(300),
    "zeros": bytes(64),
    "compressed": compressed(write_message(PING)),
    "a compressed search": compressed(
        write_message({"aggregate": "c", "pipeline": [stage([1.0])], "$db": "d"})
    ),
    "a handshake of two megabytes": header(2 * 2**20, OP_QUERY) + bytes(9000),
    "a pipeline of twenty megabytes": struct.pack("<i", 20 * 2**20)
    + write_message({"aggregate": "c", "pipeline": [], "x": "x" * 9000, "$db": "d"})[4:],
    "behind a search": write_message(
        {"aggregate": "c", "pipeline": [stage([1.0])], "cursor": {}, "$db": "d"}
    )
    + header(-1),
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_closes_only_its_own_connection(
    raw: socket.socket, client: Client, nonsense: bytes, deployment: LocalDeployment
) -> None:
    log = home_of(deployment).log / "gateway.log"
    before = log.stat().st_size

    raw.sendall(nonsense)

    assert closed(raw)
    assert client.admin.command("ping")["ok"] == 1
    wait_for(lambda: re.search(r"closed a connection: .+", log.read_text()[before:]))
    assert "Traceback" not in log.read_text()[before:]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_damaged_messages_do_not_harm_other_clients(
    gateway: Path, client: Client, data: st.DataObject
) -> None:
    """Messages that a client may send, with bytes changed or cut off."""
    good = [
        write_message(PING),
        write_message({"hello": 1, "compression": ["zlib"], "$db": "admin"}),
        old_query({"isMaster": 1, "compression": ["zlib"]}, 1),
        write_message({"aggregate": "c", "pipeline": [stage([1.0])], "cursor": {}, "$db": "d"}),
        write_message({"createSearchIndexes": "c", "indexes": [], "$db": "d"}),
    ]
    sent = bytearray(b"".join(data.draw(st.lists(st.sampled_from(good), min_size=1, max_size=4))))
    for at, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(sent) - 1), st.integers(0, 255)), max_size=4)
    ):
        sent[at] = byte
    cut = data.draw(st.integers(1, len(sent)))

    with connected(gateway) as stream:
        try:
            stream.sendall(sent[:cut])
            stream.shutdown(socket.SHUT_WR)
            assert closed(stream), "it waits for ever"
        except (BrokenPipeError, ConnectionResetError, OSError):
            pass

    assert client.admin.command("ping")["ok"] == 1


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=30), st.integers(0, 2**32))
def test_messages_in_any_pieces(gateway: Path, cuts: list[int], seed: int) -> None:
    bodies = [
        PING,
        {"hello": 1, "compression": ["zlib"], "$db": "admin"},
        {"aggregate": "no", "pipeline": [stage([1.0])], "cursor": {}, "$db": "d"},
        {"find": "no", "filter": {"long": "x" * 10_000}, "$db": "d"},
    ]
    random.Random(seed).shuffle(bodies)
    rest = b"".join(write_message(body) for body in bodies)

    with connected(gateway) as stream:
        for cut in cuts:
            stream.sendall(rest[:cut])
            rest = rest[cut:]
        stream.sendall(rest)
        assert [reply(stream)["ok"] for _ in bodies] == [1] * len(bodies)


def test_half_a_message_is_closed_after_a_while(
    deployment: LocalDeployment, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mongod, at = home_of(deployment).mongod_socket, folder / "g.sock"
    ping = write_message(PING)
    halves = {
        "of a header": ping[:7],
        "of a command": ping[:-3],
        "of one that passes": write_message({"find": "x" * 30_000, "$db": "d"})[:20_000],
    }
    with (
        caplog.at_level(logging.WARNING),
        in_process.gateway(mongod, at, idle_seconds=0.5) as links,
        ExitStack() as opened,
        Client(socket_uri(at)) as client,
    ):
        idle = opened.enter_context(connected(at))
        streams = {name: opened.enter_context(connected(at)) for name in halves}
        for name, half in halves.items():
            streams[name].sendall(half)

        assert all(closed(stream) for stream in streams.values())
        assert caplog.text.count("neither sent nor read the rest of a message") == len(halves)
        idle.sendall(ping)
        assert reply(idle)["ok"] == 1
        assert client.admin.command("ping")["ok"] == 1
        wait_for(lambda: all(link.unfinished() is None for link in links))


def test_stalled_reader_is_closed_and_slow_reader_is_not(
    deployment: LocalDeployment, documents: Documents, folder: Path
) -> None:
    documents.insert_many([{"b": bytes(2**20)} for _ in range(12)])
    mongod, at = home_of(deployment).mongod_socket, folder / "g.sock"
    find = {"find": documents.name, "batchSize": 12, "$db": documents.database.name}
    with (
        in_process.gateway(mongod, at, idle_seconds=1) as links,
        connected(at) as deaf,
        connected(at) as slow,
    ):
        wait_for(lambda: len(links) == 2)
        for stream in (deaf, slow):
            stream.sendall(write_message(find))
        read = 0
        for _ in range(30):
            read += len(slow.recv(200_000))
            time.sleep(0.1)

        wait_for(lambda: len(links) == 1)
        while read < 12 * 2**20:
            piece = slow.recv(2**20)
            assert piece, "closed although the client was reading"
            read += len(piece)


def test_stalled_reader_does_not_hold_up_others(
    documents: Documents, raw: socket.socket, client: Client, deployment: LocalDeployment
) -> None:
    documents.insert_many([{"b": bytes(2**20)} for _ in range(12)])
    find = {"find": documents.name, "batchSize": 12, "$db": documents.database.name}
    before = resident(deployment)

    for number in range(1, 20):
        raw.sendall(write_message(find, request_id=number))

    assert client.admin.command("ping")["ok"] == 1
    time.sleep(0.5)
    assert resident(deployment) - before < 50 * 2**20, "240 MB are unread"
    assert len(reply(raw)["cursor"]["firstBatch"]) == 12


def resident(deployment: LocalDeployment) -> int:
    status = Path(f"/proc/{deployment.status().gateway_pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def test_memory_of_unfinished_commands_is_bounded(
    deployment: LocalDeployment, folder: Path
) -> None:
    mongod, at = home_of(deployment).mongod_socket, folder / "g.sock"
    with (
        in_process.gateway(mongod, at, buffer_bytes=4 * 2**20) as links,
        ExitStack() as opened,
        Client(socket_uri(at)) as client,
    ):
        streams = [opened.enter_context(connected(at)) for _ in range(8)]
        for number, stream in enumerate(streams):
            with suppress(BrokenPipeError):  # closed while it sends
                stream.sendall(LARGE[:-1])
            wait_for(lambda n=number: sum(link.buffered > 0 for link in links) >= min(n + 1, 3))

        assert sum(link.buffered for link in links) <= 4 * 2**20
        assert client.admin.command("ping")["ok"] == 1
        assert sum(closed(stream) for stream in streams[4:]) == 4


def test_several_hundred_concurrent_connections(gateway: Path, documents: Documents) -> None:
    documents.insert_one({"_id": 1, "v": [1.0, 0.0]})
    create(documents, definition(2))
    search = {
        "aggregate": documents.name,
        "pipeline": [stage([1.0, 0.0])],
        "cursor": {},
        "$db": documents.database.name,
    }

    with ExitStack() as opened:
        streams = [opened.enter_context(connected(gateway)) for _ in range(600)]
        for stream in streams:
            stream.sendall(write_message(PING) + write_message(search))
        answers = [(reply(stream)["ok"], reply(stream)["cursor"]) for stream in streams]

    assert {ok for ok, _ in answers} == {1}
    assert all([hit["_id"] for hit in cursor["firstBatch"]] == [1] for _, cursor in answers)


def test_closed_connections_release_their_files(
    gateway: Path, deployment: LocalDeployment, client: Client
) -> None:
    client.admin.command("ping")
    files = Path(f"/proc/{deployment.status().gateway_pid}/fd")
    before = len(list(files.iterdir()))

    for number in range(200):
        with connected(gateway) as stream:
            stream.sendall(write_message(PING)[: 5 + number])

    wait_for(lambda: len(list(files.iterdir())) <= before + 5)


def test_announced_bytes_count_and_are_released(deployment: LocalDeployment, folder: Path) -> None:
    """Clients have not logged in, and little of what they announced has arrived."""
    mongod, at = home_of(deployment).mongod_socket, folder / "g.sock"
    head = struct.pack("<iiiiIBi", 2**20, 1, 0, OP_MSG, 0, 1, 2**20 - 100) + b"documents\0"
    with in_process.gateway(mongod, at, buffer_bytes=4 * 2**20) as links:
        with ExitStack() as opened, Client(socket_uri(at)) as client:
            streams = [opened.enter_context(connected(at)) for _ in range(8)]
            for number, stream in enumerate(streams):
                stream.sendall(head + bytes(8192))
                wait_for(lambda n=number: sum(link.buffered > 0 for link in links) >= min(n + 1, 4))

            assert sum(closed(stream) for stream in streams[4:]) == 4
            assert sum(link.buffered for link in links) == 4 * 2**20
            assert client.admin.command("ping")["ok"] == 1

        wait_for(lambda: not any(link.buffered for link in links))


def listens(at: Path) -> bool:
    with suppress(OSError), connected(at):
        return True
    return False


def test_message_counts_until_it_is_answered_even_if_mongod_dies(folder: Path) -> None:
    upstream, at = folder / "mongod.sock", folder / "g.sock"
    (folder / "db").mkdir()
    command = [find_mongod(), "--dbpath", folder / "db", "--bind_ip", upstream, "--nounixsocket"]
    message = many_empty(1_000_000)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process, ExitStack() as at_the_end:
        at_the_end.callback(process.kill)
        wait_for(lambda: listens(upstream))
        with in_process.gateway(upstream, at) as links, connected(at) as stream:
            stream.sendall(message)
            wait_for(lambda: sum(link.buffered for link in links) == len(message))
            (link,) = links
            assert isinstance(link, ProxyConnection)
            wait_for(lambda: link.client.paused)  # the message is complete and is being parsed

            process.kill()

            wait_for(lambda: link.client.lost)
            assert sum(link.buffered for link in links) == len(message)
            wait_for(lambda: not links)


def test_slow_half_message_makes_room(deployment: LocalDeployment, folder: Path) -> None:
    mongod, at = home_of(deployment).mongod_socket, folder / "g.sock"
    with (
        in_process.gateway(mongod, at, buffer_bytes=3 * 2**19, slow_seconds=0.2) as links,
        connected(at) as idle,
        connected(at) as hurried,
    ):
        idle.sendall(LARGE[:10_000])
        wait_for(lambda: any(link.buffered for link in links))
        time.sleep(0.3)

        hurried.sendall(LARGE)

        assert "aggregate.x" in reply(hurried)["errmsg"]  # mongod has read it
        assert closed(idle)


def test_message_that_lacks_most_makes_room_if_that_is_enough(
    deployment: LocalDeployment, folder: Path
) -> None:
    mongod, at = home_of(deployment).mongod_socket, folder / "g.sock"
    with (
        in_process.gateway(mongod, at, buffer_bytes=5 * 2**19, slow_seconds=0.2) as links,
        connected(at) as nearly,
        connected(at) as hardly,
        connected(at) as larger,
        connected(at) as hurried,
    ):
        for stream, kept in ((nearly, len(LARGE) - 1), (hardly, 10_000)):
            stream.sendall(LARGE[:kept])
            wait_for(lambda n=kept: any(0 < link.missing == len(LARGE) - n for link in links))
        time.sleep(0.3)

        head = struct.pack("<iiiiIBi", 3 * 2**20, 1, 0, OP_MSG, 0, 1, 2**20) + b"documents\0"
        with suppress(BrokenPipeError, ConnectionResetError):
            larger.sendall(head + bytes(8192))
        assert closed(larger)
        assert sum(link.buffered > 0 for link in links) == 2
        hurried.sendall(LARGE)

        assert "aggregate.x" in reply(hurried)["errmsg"]
        assert closed(hardly)
        nearly.sendall(LARGE[-1:])
        assert "aggregate.x" in reply(nearly)["errmsg"]


def many_empty(count: int) -> bytes:
    """An invalid search with so many empty documents: 5 bytes each on the wire, and some 70 when
    parsed."""
    empty = struct.pack("<i", 4 + 2 + count * 5) + b"x\0" + b"\5\0\0\0\0" * count
    body = {"aggregate": "c", "pipeline": [{"$vectorSearch": {}}], "cursor": {}, "$db": "d"}
    sections = b"\1" + empty + b"\0" + bson.encode(body)
    return struct.pack("<iiiiI", 20 + len(sections), 1, 0, OP_MSG, 0) + sections


def test_memory_of_parsed_commands_is_bounded(
    gateway: Path, deployment: LocalDeployment, client: Client
) -> None:
    client.admin.command("ping")
    message = many_empty(400_000)
    before = most = resident(deployment)
    with ExitStack() as opened:
        streams = [opened.enter_context(connected(gateway)) for _ in range(10)]
        for stream in streams:
            stream.sendall(message)
        waiting = set(streams)
        while waiting:
            for stream in select.select(waiting, [], [], 0.01)[0]:
                assert "is required" in reply(stream)["errmsg"]
                waiting.discard(stream)
            most = max(most, resident(deployment))

    assert most - before < 150 * 2**20, "all at once take more than 300 MiB"


def test_large_message_without_a_visible_command_is_closed(
    raw: socket.socket, client: Client, deployment: LocalDeployment
) -> None:
    """The gateway looks for the command behind a hundred sections at most."""
    document = bson.encode({"": b"x" * 200_000})
    sections = [
        struct.pack("<Bi", 1, 9 + len(document)) + b"s%03d\0" % number + document
        for number in range(101)
    ]
    body = b"".join([*sections, b"\0", bson.encode({"aggregate": "c", "$db": "d"})])

    log = home_of(deployment).log / "gateway.log"
    before = log.stat().st_size
    with suppress(BrokenPipeError, ConnectionResetError):
        raw.sendall(struct.pack("<iiiiI", 20 + len(body), 1, 0, OP_MSG, 0) + body)

    assert closed(raw)
    wait_for(lambda: "whose command is not where a driver puts it" in log.read_text()[before:])
    assert client.admin.command("ping")["ok"] == 1
