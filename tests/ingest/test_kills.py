"""Ingest and mongod killed at thirty random moments: the end is that of an undisturbed run."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database

from ingest.chunking.chunk import same_vector
from local import LocalDeployment
from vectors.manifest import MANIFESTS

KILLS = 30
DOCUMENTS = 1000
SEED = 20_261
State = dict[str, dict[str, Any]]


def records(edition: int) -> Iterator[dict[str, Any]]:
    """Of the second edition, a third is as it was, a third longer or shorter, a third other."""
    for number in range(DOCUMENTS):
        change = edition * (number % 3)
        sentences = 4 + number % 5 - change * (number % 2)
        text = " ".join(f"Sentence {n} of {number} in edition {change}." for n in range(sentences))
        yield {"id": f"d{number}", "text": text, "year": 2000 + number % 20 + change}


def write(path: Path, edition: int) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records(edition)))
    return path


def started(uri: str, database: str, corpus: Path) -> "subprocess.Popen[str]":
    hashed = {"LEAF_TEACHER": "hashing:64", "LEAF_STUDENT": "hashing:64", "LEAF_STORAGE": "full"}
    options = ("--chunk-tokens", "24", "--chunk-overlap", "4", "--json", "--wait", "0")
    return subprocess.Popen(
        [sys.executable, "-m", "ingest", str(corpus), *options],
        env={**os.environ, **hashed, "MONGODB_URI": uri, "LEAF_DATABASE": database},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: "subprocess.Popen[str]") -> dict[str, Any]:
    output, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    summary: dict[str, Any] = json.loads(output)
    return summary


def state(database: Database[Any]) -> State:
    return {chunk["_id"]: chunk for chunk in database["chunks"].find()}


def manifest(database: Database[Any]) -> Any:
    return database[MANIFESTS].find_one({"_id": "chunks"})


def copied(origin: Database[Any], name: str) -> Database[Any]:
    copy = origin.client[name]
    copy["chunks"].insert_many(list(origin["chunks"].find()))
    copy[MANIFESTS].insert_one(manifest(origin))
    return copy


def missing(database: Database[Any], wanted: State) -> int:
    """Chunks whose vector is not there yet."""
    there = database["chunks"].find({}, {"hash": 1})
    hashes = {chunk["_id"]: chunk["hash"] for chunk in there}
    return sum(not same_vector(hashes.get(id, ""), chunk["hash"]) for id, chunk in wanted.items())


def test_an_ingest_that_is_killed_again_and_again_ends_as_if_undisturbed(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    first, second = write(tmp_path / "1.jsonl", 0), write(tmp_path / "2.jsonl", 1)
    first.rename(corpus := tmp_path / "corpus.jsonl")
    uri = deployment.uri
    with MongoClient[Any](uri, w="majority") as client:
        finished(started(uri, "before", corpus))
        second.rename(corpus)
        undisturbed = copied(client["before"], "undisturbed")
        begun = time.monotonic()
        finished(started(uri, "undisturbed", corpus))
        duration = time.monotonic() - begun
        wanted = state(undisturbed)
        kills = {"ingest": 0, "mongod": 0}
        rounds = 0
        while sum(kills.values()) < KILLS:
            database = copied(client["before"], f"disturbed_{rounds}")
            _disturb(deployment, database, corpus, wanted, duration, chance, kills)
            assert state(database) == wanted
            assert manifest(database) == manifest(undisturbed)
            rounds += 1

    assert min(kills.values()) > KILLS // 5


def _disturb(
    deployment: LocalDeployment,
    database: Database[Any],
    corpus: Path,
    wanted: State,
    duration: float,
    chance: random.Random,
    kills: dict[str, int],
) -> None:
    """Until one run has gone to its end; what was encoded before it is not encoded again."""
    for _ in range(5):
        left = missing(database, wanted)
        process = started(deployment.uri, database.name, corpus)
        time.sleep(chance.uniform(0.3, 1.0) * duration)
        if process.poll() is None and chance.random() < 0.3:
            _kill_mongod(deployment)
            kills["mongod"] += 1
            time.sleep(chance.uniform(0.0, 0.3) * duration)
        if process.poll() is not None or chance.random() < 0.2:
            assert finished(process)["encoded"] <= left
            return
        process.kill()
        process.communicate()
        kills["ingest"] += 1
    assert (
        finished(started(deployment.uri, database.name, corpus))["encoded"]
        <= missing(database, wanted) + left
    )


def _kill_mongod(deployment: LocalDeployment) -> None:
    pid = deployment.status().mongod_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.3)
    deployment.start()  # after many deaths it gives up
