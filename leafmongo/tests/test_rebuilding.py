"""After a restart a search waits for the index that it asks, and for no other."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import ExecutionTimeout
from pymongo.operations import SearchIndexModel

from leafmongo import LocalDeployment
from mongotests.searching import Documents, create, definition, entry, stage, wait_for

NEAR = [1.0, 0.0]
LARGE = ("large1", "large2", "large3")  # each takes seconds to build
TEXTS = SearchIndexModel({"mappings": {"fields": {"t": {"type": "string"}}}}, "t", "search")
WORDS = " ".join(f"word{i}" for i in range(500))


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """Stopped; with three large indexes, and a small one made last."""
    with tempfile.TemporaryDirectory(prefix="leaf-", dir="/tmp") as name:
        home = Path(name) / "home"
        with LocalDeployment(home) as deployment, MongoClient(deployment.uri) as client:
            documents = [{"_id": i, "t": WORDS} for i in range(4000)]
            for collection in LARGE:
                client["d"][collection].insert_many(documents)
                client["d"][collection].create_search_index(TEXTS)
            small = client["d"]["small"]
            small.insert_many([{"_id": i, "v": [1.0, i / 10]} for i in range(10)])
            create(small, definition(2))
        yield home


@pytest.fixture
def home(made: Path, folder: Path) -> Path:
    """A copy for the test alone."""
    return Path(shutil.copytree(made, folder / "home"))


def found(documents: Documents) -> list[int]:
    return [hit["_id"] for hit in documents.aggregate([stage(NEAR, limit=100)])]


def states(deployment: LocalDeployment) -> dict[str, str]:
    return {index.collection: index.status for index in deployment.status().indexes}


def test_a_search_waits_only_for_what_it_asks(home: Path) -> None:
    with LocalDeployment(home) as deployment, MongoClient(deployment.uri) as client:
        small = client["d"]["small"]

        assert found(small) == list(range(10))
        assert "READY" not in {states(deployment)[name] for name in LARGE}

        # What is written meanwhile is found, and no status waits for anything: more than once
        # before the first of the large ones is there.
        times = 0
        while states(deployment)[LARGE[0]] != "READY":
            number = small.insert_one({"v": [1.0, 0.0]}).inserted_id
            assert number in found(small)
            assert deployment.status().running
            times += 1
        assert times > 3


def test_what_is_asked_for_is_built_first(home: Path) -> None:
    with LocalDeployment(home) as deployment, MongoClient(deployment.uri) as client:
        last = client["d"][LARGE[-1]]
        wait_for(lambda: states(deployment)["small"] == "READY")
        assert next(last.list_search_indexes())["queryable"]

        text = {"index": "t", "text": {"query": "word7", "path": "t"}}
        hits = list(last.aggregate([{"$search": text}, {"$limit": 2}]))

        assert len(hits) == 2
        assert {states(deployment)[name] for name in LARGE[:-1]} & {"PENDING", "BUILDING"}


def test_a_search_waits_no_longer_than_it_may(home: Path) -> None:
    with LocalDeployment(home) as deployment, MongoClient(deployment.uri) as client:
        text = {"index": "t", "text": {"query": "word7", "path": "t"}}

        with pytest.raises(ExecutionTimeout):
            client["d"][LARGE[-1]].aggregate([{"$search": text}], maxTimeMS=100)

        assert entry(client["d"][LARGE[-1]], "t")["status"] != "READY"


def test_a_new_index_is_not_waited_for(home: Path) -> None:
    """As on the real server: it was never searchable."""
    with LocalDeployment(home) as deployment, MongoClient(deployment.uri) as client:
        documents = client["d"]["new"]
        documents.insert_many([{"t": WORDS} for _ in range(500)])
        documents.create_search_index(TEXTS)
        text = {"index": "t", "text": {"query": "word7", "path": "t"}}

        with pytest.raises(Exception, match="cannot query search index t while in state"):
            documents.aggregate([{"$search": text}])
