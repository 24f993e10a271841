"""Followers that must stop, or go on, while MongoDB is unreachable."""

import json
import secrets
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database

from leafmongo import LocalDeployment
from leaftests.ingest.follower import CHUNKS, Follower, following, wait_for

# The driver waits for so long where nothing else ends it: more than a stopped follower may take.
_LATE = "&serverSelectionTimeoutMS=120000"
_SOON = "&serverSelectionTimeoutMS=500"
_SECONDS_TO_END = 45.0


@pytest.fixture
def apart(deployment: LocalDeployment) -> Iterator[Database[Any]]:
    """A database of a deployment that tests stop, with articles; it runs before and after."""
    deployment.start()
    with MongoClient[dict[str, Any]](deployment.uri) as client:
        database = client[f"leaf_test_{secrets.token_hex(6)}"]
        with_articles(database)
        yield database
        deployment.start()


def with_articles(database: Database[Any]) -> Collection[Any]:
    database["articles"].insert_many([{"_id": i, "body": f"text {i}"} for i in range(5)])
    return database["articles"]


def ends_soon(follower: Follower, number: int) -> tuple[int, str]:
    begun = time.monotonic()
    code, printed = follower.end(number)
    assert time.monotonic() < begun + _SECONDS_TO_END, follower.said
    return code, printed


@pytest.mark.parametrize(
    ("number", "options"),
    [
        (signal.SIGINT, {}),
        (signal.SIGTERM, {"json": False}),
        pytest.param(signal.SIGTERM, {}, marks=pytest.mark.long),
        pytest.param(signal.SIGINT, {"json": False}, marks=pytest.mark.long),
    ],
    ids=["interrupt", "term, as text", "term", "interrupt, as text"],
)
def test_a_follower_is_stopped_while_its_mongodb_is_away(
    deployment: LocalDeployment, apart: Database[Any], number: int, options: dict[str, bool]
) -> None:
    with following(deployment.uri + _LATE, apart.name) as start:
        running = start(*CHUNKS, **options)
        running.wait_until_following()
        deployment.stop()

        code, printed = ends_soon(running, number)

    assert code == 0, running.said
    if options:
        assert printed.startswith("5 documents in 5 chunks: 5 encoded")
        assert "leaf_test_" in printed
        assert ".chunks holds chunks as 64 x float32" in printed
    else:
        assert json.loads(printed)["documents"] == 5


@pytest.mark.long
def test_a_first_pass_is_stopped_while_its_mongodb_is_away(
    deployment: LocalDeployment, apart: Database[Any]
) -> None:
    """What it has not written it cannot pass over, so it fails, but without waiting."""
    apart["articles"].insert_many([{"body": f"word {i} " * 40} for i in range(20_000)])
    with following(deployment.uri + _SOON, apart.name) as start:
        running = start(*CHUNKS)
        wait_for(lambda: apart["chunks"].find_one())
        deployment.stop()
        wait_for(lambda: any("MongoDB is unreachable" in line for line in running.said))

        code, printed = ends_soon(running, signal.SIGTERM)

    assert (code, printed) == (1, "")
    assert running.said[-1].startswith("leaf-ingest: ")


@pytest.mark.long
def test_a_follower_is_stopped_while_it_waits_for_its_target_to_write_a_change(
    deployment: LocalDeployment, apart: Database[Any], mongodb_uri: str, database: Database[Any]
) -> None:
    articles = with_articles(database)
    with following(deployment.uri + _SOON, database.name, source=mongodb_uri) as start:
        running = start(*CHUNKS)
        running.wait_until_following()
        deployment.stop()
        articles.insert_one({"_id": "new", "body": "a new text"})
        wait_for(lambda: any("MongoDB is unreachable" in line for line in running.said))

        code, printed = ends_soon(running, signal.SIGINT)

        assert code == 0, running.said
        assert json.loads(printed)["encoded"] == 5
        deployment.start()
        again = start(*CHUNKS)
        again.wait_until_following()
        assert json.loads(again.end()[1])["encoded"] == 1


@pytest.mark.long
def test_a_follower_waits_for_a_target_that_is_away_for_longer_than_its_patience(
    deployment: LocalDeployment, apart: Database[Any], mongodb_uri: str, database: Database[Any]
) -> None:
    """It has nothing to write, but saves from time to time how far it has come."""
    articles = with_articles(database)
    with following(deployment.uri + _SOON, database.name, source=mongodb_uri) as start:
        running = start(*CHUNKS, "--retry-for", "1")
        running.wait_until_following()
        deployment.stop()
        wait_for(lambda: any("is saved when it does" in x for x in running.said))
        time.sleep(3)

        assert not running.has_ended, running.said
        articles.insert_one({"_id": "new", "body": "a new text"})
        time.sleep(3)
        deployment.start()

        chunks = apart.client[database.name]["chunks"]
        wait_for(lambda: chunks.find_one({"document": "new"}))
        assert running.end()[0] == 0, running.said


def test_a_follower_is_stopped_while_its_source_alone_is_away(
    deployment: LocalDeployment, apart: Database[Any], mongodb_uri: str
) -> None:
    with following(mongodb_uri, apart.name, source=deployment.uri + _LATE) as start:
        running = start(*CHUNKS)
        running.wait_until_following()
        deployment.stop()

        code, printed = ends_soon(running, signal.SIGINT)

    assert code == 0, running.said
    assert json.loads(printed)["documents"] == 5


def test_a_follower_in_the_background_of_a_shell_ignores_ctrl_c(
    mongodb_uri: str, database: Database[Any]
) -> None:
    """What a shell without job control starts with `&` is not meant when others are interrupted."""
    with_articles(database)
    with following(mongodb_uri, database.name) as start:
        running = start(*CHUNKS, background=True)
        running.wait_until_following()

        running.send(signal.SIGINT)
        database["articles"].insert_one({"_id": "new", "body": "a new text"})
        wait_for(lambda: database["chunks"].find_one({"document": "new"}))

        assert not running.has_ended
        assert running.end(signal.SIGTERM)[0] == 0
