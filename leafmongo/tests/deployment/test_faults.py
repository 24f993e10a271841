"""Kills at random moments while a writer writes lose nothing."""

import os
import random
import secrets
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from leafmongo import LocalDeployment, LocalError
from leafmongo.deployment.mongod import find_leftover
from leafmongo.deployment.paths import Home
from leafmongo.deployment.process import lock_holder
from mongotests.searching import definition, entry, model, stage, wait_for

KINDS = ("gateway", "mongod", "both")
Client = MongoClient[dict[str, Any]]


class Writer(threading.Thread):
    """Keeps the expected contents: by id, the vector of every acknowledged write, None if deleted.

    A failed write may or may not have happened, so its id is dropped.
    """

    def __init__(self, uri: str, chance: random.Random) -> None:
        super().__init__()
        self._client = Client(uri, w="majority", serverSelectionTimeoutMS=5000)
        self._documents = self._client["d"]["c"]
        self._chance = chance
        self.vectors: dict[int, list[float] | None] = {}
        self.indexes: dict[str, int] = {}  # dimensions by name
        self.failures = 0
        self.going = True

    def run(self) -> None:
        with self._client:
            number = 0
            while self.going:
                number += 1
                try:
                    self._write(number)
                    if number % 40 == 0:
                        self._define(f"i{number}")
                except PyMongoError:
                    self.failures += 1
                time.sleep(0.005)

    def _write(self, number: int) -> None:
        action = self._chance.choice(("insert", "insert", "insert", "change", "delete"))
        target = number if action == "insert" else self._chance.randint(max(1, number - 50), number)
        vector = [self._chance.random(), self._chance.random()]
        self.vectors.pop(target, None)
        there = action != "delete"
        if action == "insert":
            self._documents.insert_one({"_id": target, "v": vector})
        elif action == "delete":
            self._documents.delete_one({"_id": target})
        else:
            changed = self._documents.update_one({"_id": target}, {"$set": {"v": vector}})
            there = changed.matched_count == 1
        self.vectors[target] = vector if there else None

    def _define(self, name: str) -> None:
        self._documents.create_search_index(model(definition(2, "euclidean"), name))
        self.indexes[name] = 2


class Killer:
    def __init__(self, home: Path, chance: random.Random) -> None:
        self._home = Home.at(home)
        self._chance = chance
        self.kills = 0

    def kill(self, kind: str) -> None:
        """Kill with SIGKILL at a random moment within a third of a second."""
        time.sleep(self._chance.uniform(0, 0.3))
        gateway, mongod = lock_holder(self._home.server_lock), find_leftover(self._home)
        victims = {"gateway": [gateway], "mongod": [mongod], "both": [gateway, mongod]}[kind]
        for victim in victims:
            if victim:
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
        self.kills += any(victims)

    def kill_a_start(self) -> None:
        """Start it, and kill both processes while it does."""

        def start() -> None:
            with suppress(LocalError):
                LocalDeployment(self._home.root).start()

        starting = threading.Thread(target=start)
        starting.start()
        time.sleep(self._chance.uniform(0.2, 1))
        self.kill("both")
        starting.join()


# A round has three kills of different kinds, and two more if a start is killed as well.
@pytest.mark.long
@pytest.mark.parametrize(
    ("rounds", "killed_starts", "kills"),
    [(1, 1, 4), (8, 6, 30)],
)
def test_no_acknowledged_write_is_lost_by_kills(
    folder: Path, rounds: int, killed_starts: int, kills: int
) -> None:
    seed = int(os.environ.get("LEAF_TEST_SEED") or secrets.randbits(32))
    print(f"LEAF_TEST_SEED={seed}")
    chance = random.Random(seed)
    home = folder / "home"
    killer = Killer(home, chance)
    with LocalDeployment(home) as deployment:
        with Client(deployment.uri) as client:
            client["d"].create_collection("c")
        writer = Writer(deployment.uri, random.Random(seed))
        writer.start()
        try:
            for number in range(rounds):
                for kind in chance.sample(KINDS, len(KINDS)):
                    killer.kill(kind)
                    deployment.start()
                if number < killed_starts:
                    killer.kill("both")
                    killer.kill_a_start()
                    deployment.start()
            wait_for(lambda: len(writer.vectors) > 25 * rounds and writer.indexes)
        finally:
            writer.going = False
            writer.join()

        assert killer.kills >= kills
        assert_all_there(deployment.uri, writer)
    print(f"{killer.kills} kills, {len(writer.vectors)} documents, {writer.failures} failures")


def assert_all_there(uri: str, writer: Writer) -> None:
    must = {id: vector for id, vector in writer.vectors.items() if vector is not None}
    gone = writer.vectors.keys() - must.keys()
    with Client(uri) as client:
        documents = client["d"]["c"]
        stored = {document["_id"]: document["v"] for document in documents.find()}
        assert {id: stored.get(id) for id in must} == must
        assert not stored.keys() & gone

        listed = {index["name"] for index in documents.list_search_indexes()}
        assert writer.indexes.keys() <= listed
        for name in writer.indexes:
            wait_for(lambda name=name: entry(documents, name)["status"] == "READY")
            search = stage([0.5, 0.5], limit=10_000, index=name, exact=True)
            found = {hit["_id"]: hit["v"] for hit in documents.aggregate([search])}
            assert found == stored, name
