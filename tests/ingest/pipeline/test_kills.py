"""Ingest and mongod killed at random moments: the end is that of an undisturbed run."""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.read_concern import ReadConcern

from leafmongo import LocalDeployment
from leafsearch.ingest.chunking.chunk import same_vector
from leafsearch.vectors.store import MANIFESTS
from leaftests.forked import Command

KILLS = ("mongod", "ingest", "ingest")
DOCUMENTS = 600
SEED = 20_261
State = dict[str, dict[str, Any]]
AWAY = "leaf-ingest: MongoDB does not answer: "


def records(edition: int) -> Iterator[dict[str, Any]]:
    """A third of the second edition is unchanged, a third longer or shorter, a third different."""
    for number in range(DOCUMENTS):
        change = edition * (number % 3)
        sentences = 4 + number % 5 - change * (number % 2)
        text = " ".join(f"Sentence {n} of {number} in edition {change}." for n in range(sentences))
        yield {"id": f"d{number}", "text": text, "year": 2000 + number % 20 + change}


def write(path: Path, edition: int) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records(edition)))
    return path


def started(uri: str, database: str, corpus: Path) -> Command:
    hashed = {"LEAF_TEACHER": "hashing:64", "LEAF_STUDENT": "hashing:64", "LEAF_STORAGE": "full"}
    names = {"MONGODB_URI": uri, "LEAF_DATABASE": database}
    options = ("--chunk-tokens", "24", "--chunk-overlap", "4", "--json", "--wait", "0")
    return Command("leaf-ingest", corpus, *options, environ={**os.environ, **hashed, **names})


def finished(ingest: Command) -> dict[str, Any] | None:
    """What it printed; None if the mongod was killed before it had met it."""
    done = ingest.ended()
    if done.returncode == 1 and done.stderr.startswith(AWAY):
        return None
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def state(database: Database[Any]) -> State:
    return {chunk["_id"]: chunk for chunk in database["chunks"].find()}


def manifest(database: Database[Any]) -> Any:
    return database[MANIFESTS].find_one({"_id": "chunks"})


def copied(origin: Database[Any], name: str) -> Database[Any]:
    for collection in ("chunks", MANIFESTS):
        origin[collection].aggregate([{"$out": {"db": name, "coll": collection}}])
    return origin.client[name]


def missing(database: Database[Any], wanted: State) -> int:
    """Chunks whose vector is not there yet, where no death of mongod can take it away again."""
    durable = database.get_collection("chunks", read_concern=ReadConcern("majority"))
    there = durable.find({}, {"hash": 1})
    hashes = {chunk["_id"]: chunk["hash"] for chunk in there}
    return sum(not same_vector(hashes.get(id, b""), chunk["hash"]) for id, chunk in wanted.items())


@pytest.mark.long
@pytest.mark.parametrize("times", [1, 10])
def test_an_ingest_that_is_killed_again_and_again_ends_as_if_undisturbed(
    deployment: LocalDeployment, tmp_path: Path, times: int
) -> None:
    chance = random.Random(SEED)
    first, second = write(tmp_path / "1.jsonl", 0), write(tmp_path / "2.jsonl", 1)
    first.rename(corpus := tmp_path / "corpus.jsonl")
    uri = deployment.uri
    with MongoClient[Any](uri, w="majority") as client:
        assert finished(started(uri, "before", corpus))
        second.rename(corpus)
        undisturbed = copied(client["before"], "undisturbed")
        begun = time.monotonic()
        assert finished(started(uri, "undisturbed", corpus))
        duration = time.monotonic() - begun
        wanted = state(undisturbed)
        kills = chance.sample(KILLS * times, len(KILLS) * times)
        while kills:
            database = copied(client["before"], f"disturbed_{len(kills)}")
            _disturb(deployment, database, corpus, wanted, duration, chance, kills)
            assert state(database) == wanted
            assert manifest(database) == manifest(undisturbed)
            client.drop_database(database.name)


def _disturb(
    deployment: LocalDeployment,
    database: Database[Any],
    corpus: Path,
    wanted: State,
    duration: float,
    chance: random.Random,
    kills: list[str],
) -> None:
    """Until one run has gone to its end; what was encoded before it is not encoded again."""
    while True:
        left = missing(database, wanted)
        ingest = started(deployment.uri, database.name, corpus)
        # Most of the time it only reads; the first chunks are written after half of it.
        while kills and not ingest.ends_in(chance.uniform(0.4, 1.0) * duration):
            if kills.pop() == "ingest":
                ingest.kill()
                break
            _kill_mongod(deployment)
        else:
            summary = finished(ingest)
            if summary:
                assert summary["encoded"] <= left
                return


def _kill_mongod(deployment: LocalDeployment) -> None:
    pid = deployment.status().mongod_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.3)
    deployment.start()  # after many deaths it gives up
