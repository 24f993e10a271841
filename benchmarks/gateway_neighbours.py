"""Measure what one client costs the others: their pings beside a huge filter, and memory."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from leafmongo.proxy.wire import OP_MSG, write_message

Client = MongoClient[dict[str, Any]]


def slowest_pings(clients: Sequence[Client], action: Callable[[], object]) -> list[float]:
    """Milliseconds of the slowest ping of each client while the action goes on."""
    done = threading.Event()
    slowest = [0.0] * len(clients)

    def ping(at: int, client: Client) -> None:
        while not done.is_set():
            start = time.perf_counter()
            client.admin.command("ping")
            slowest[at] = max(slowest[at], 1e3 * (time.perf_counter() - start))
            time.sleep(0.002)

    threads = [threading.Thread(target=ping, args=pair) for pair in enumerate(clients)]
    for thread in threads:
        thread.start()
    action()
    done.set()
    for thread in threads:
        thread.join()
    return slowest


def answer(at: Path, message: bytes) -> bytes:
    """Send a ready message to the gateway behind that socket, and return its answer."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(str(at))
        stream.sendall(message)
        head = stream.recv(16, socket.MSG_WAITALL)
        (size,) = struct.unpack_from("<i", head)
        return head + stream.recv(size - 16, socket.MSG_WAITALL)


def filtered_by(values: Sequence[int], stage: dict[str, Any]) -> bytes:
    """A search of `bench.corpus` with that stage, and an `$in` of all these values."""
    search = {**stage["$vectorSearch"], "filter": {"share": {"$in": list(values)}}}
    pipeline = [{"$vectorSearch": search}, {"$project": {"_id": 1}}]
    return write_message(
        {"aggregate": "corpus", "pipeline": pipeline, "cursor": {}, "$db": "bench"}
    )


def half_messages(at: Path, count: int, resident: Callable[[], int]) -> tuple[int, int]:
    """Bytes that the gateway has while so many clients have sent 44 MiB of 47 MB each, and when
    they have left."""
    size = 47_000_000
    head = struct.pack("<iiiiIBi", size, 1, 0, OP_MSG, 0, 1, size - 100) + b"documents\0"
    with ExitStack() as opened:
        streams = [opened.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(count)]
        for stream in streams:
            stream.connect(str(at))
            stream.sendall(head + bytes(8192))
        for stream in streams:
            with suppress(OSError):  # refused in the middle
                stream.settimeout(20)
                stream.sendall(bytes(44 * 2**20))
        time.sleep(1)
        most = resident()
    time.sleep(1)
    return most, resident()
