"""What a MongoDB may do while it is written to: restart, go, run out of disk."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from local import LocalDeployment
from tests.ingest.running import TOKENS, goes_on, is_whole, running, written
from tests.local.searching import wait_for

AWAY = "leaf-ingest: MongoDB is away ("
BACK = "leaf-ingest: MongoDB is back after "
_SOON = "&serverSelectionTimeoutMS=500"


@pytest.fixture
def database(
    deployment: LocalDeployment, request: pytest.FixtureRequest
) -> Iterator[Database[Any]]:
    deployment.start()
    with MongoClient[dict[str, Any]](deployment.uri + _SOON) as client:
        yield client[request.node.name[-30:]]


def test_a_mongod_that_restarts_is_waited_for(
    deployment: LocalDeployment, database: Database[Any]
) -> None:
    with running(deployment.uri, database) as ingest:
        for _ in range(2):
            deployment.stop()
            deployment.start()
            goes_on(database)

        summary = ingest.finished()

        assert is_whole(database, ingest.fed)
        assert summary["documents"] == summary["encoded"] == ingest.fed
        assert summary["tokens"] == TOKENS * ingest.fed, "nothing is encoded twice"
        # A restart that is over within the driver's own patience is not told.
        assert all(line.startswith((AWAY, BACK)) for line in ingest.errors)
        assert len(ingest.errors) <= 4


def test_a_mongod_that_stays_away_is_one_line_and_what_is_written_stays(
    deployment: LocalDeployment, database: Database[Any]
) -> None:
    with running(deployment.uri + _SOON, database, "--patience", 3) as ingest:
        deployment.stop()
        stopped = time.monotonic()

        assert ingest.ended() == 1
        assert time.monotonic() - stopped < 15
        away, failed = ingest.errors

    assert away.startswith(AWAY)
    assert away.endswith("; trying again for up to 3 s")
    assert failed.startswith("leaf-ingest: MongoDB does not answer: ")
    assert "leaf-mongo start" in failed
    deployment.start()
    assert written(database) > 0


def test_nobody_has_to_wait_for_a_mongod_that_is_away(
    deployment: LocalDeployment, database: Database[Any]
) -> None:
    with running(deployment.uri, database) as ingest:
        deployment.stop()
        wait_for(lambda: ingest.errors)

        ingest.interrupt()

        assert ingest.ended(seconds=10) == 130
        assert ingest.errors[-1] == "leaf-ingest: interrupted"
