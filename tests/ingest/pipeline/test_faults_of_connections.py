"""Connections that are cut or hang, and primaries that step down, while ingest writes."""

import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import NotPrimaryError
from pymongo.uri_parser import parse_uri

from leafmongo import LocalError
from leafmongo.deployment.mongod_binary import find_mongod
from leaftests.ingest.relay import Relay, relay
from leaftests.ingest.running import TOKENS, Running, goes_on, is_whole, running
from mongotests.searching import wait_for
from mongotests.upstreams import gateway, replica_set

SEED = 20_262


@pytest.fixture
def line(mongodb_uri: str) -> Iterator[Relay]:
    """In front of the deployment of the tests."""
    host, port = parse_uri(mongodb_uri)["nodelist"][0]
    if port is not None:
        pytest.skip("needs a deployment on a unix socket")
    with relay(host) as made:
        yield made


def uri(line: Relay, *options: str) -> str:
    return f"mongodb://127.0.0.1:{line.port}/?{'&'.join(('directConnection=true', *options))}"


def require_whole(ingest: Running, database: Database[Any]) -> None:
    """Everything is written, and nothing was encoded twice."""
    summary = ingest.finished()

    assert is_whole(database, ingest.fed)
    assert summary["documents"] == summary["encoded"] == ingest.fed
    assert summary["tokens"] == TOKENS * ingest.fed
    assert all(line.startswith("leaf-ingest: MongoDB is ") for line in ingest.errors)


def test_cut_connections_are_opened_again(line: Relay, database: Database[Any]) -> None:
    chance = random.Random(SEED)
    times = cut = 0
    with running(uri(line), database) as ingest:
        deadline = time.monotonic() + 120
        while times < 20 or cut <= 20:
            assert time.monotonic() < deadline, f"only {cut} connections in {times} times"
            time.sleep(chance.uniform(0, 0.2))
            times, cut = times + 1, cut + line.cut()
        goes_on(database)

        require_whole(ingest, database)


@pytest.mark.long
def test_a_connection_that_hangs_is_given_up_where_the_uri_says_when(
    line: Relay, database: Database[Any]
) -> None:
    soon = ("socketTimeoutMS=500", "connectTimeoutMS=500", "serverSelectionTimeoutMS=500")
    with running(uri(line, *soon), database) as ingest:
        with line.hanging():
            wait_for(lambda: ingest.errors)
            assert "timed out" in ingest.errors[0]
        goes_on(database)

        require_whole(ingest, database)


@pytest.mark.long
def test_primaries_that_step_down_are_followed() -> None:
    try:
        find_mongod()
    except LocalError as error:
        pytest.skip(f"needs a mongod: {error}")
    with (
        tempfile.TemporaryDirectory(prefix="leaf-", dir="/tmp") as name,
        replica_set(Path(name), members=3) as upstream,
        gateway(Path(name) / "g", upstream.uri("indexer")) as through,
        MongoClient[dict[str, Any]](upstream.uri(), replicaSet="rs") as behind,
    ):
        login = upstream.uri("writer").partition("@")[0] + "@"
        whole = through.replace("mongodb://", login) + "&authSource=admin"
        with running(whole, behind["d"]) as ingest:
            for _ in range(3):
                step_down = {"replSetStepDown": 3, "secondaryCatchUpPeriodSecs": 3}
                with suppress(NotPrimaryError):  # busy members may have elected another already
                    behind.admin.command(step_down)
                goes_on(behind["d"])

            require_whole(ingest, behind["d"])
