"""After a restart a search waits for its own index only."""

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
    """A stopped deployment with three large indexes and a small one, created last."""
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
    """A copy for this test."""
    return Path(shutil.copytree(made, folder / "home"))


def found(documents: Documents) -> list[int]:
    return [hit["_id"] for hit in documents.aggregate([stage(NEAR, limit=100)])]


def states(deployment: LocalDeployment) -> dict[str, str]:
    return {index.collection: index.status for index in deployment.status().indexes}


def test_search_waits_only_for_its_own_index(home: Path) -> None:
    with LocalDeployment(home) as deployment, MongoClient(deployment.uri) as client:
        small = client["d"]["small"]

        assert found(small) == list(range(10))
        assert "READY" not in {states(deployment)[name] for name in LARGE}

        # Searches find writes made meanwhile and statuses do not wait, several times before the
        # first large index is ready.
        times = 0
        while states(deployment)[LARGE[0]] != "READY":
            number = small.insert_one({"v": [1.0, 0.0]}).inserted_id
            assert number in found(small)
            assert deployment.status().running
            times += 1
        assert times > 3


@pytest.mark.long
def test_awaited_index_is_built_first(home: Path) -> None:
    with LocalDeployment(home) as deployment, MongoClient(deployment.uri) as client:
        last = client["d"][LARGE[-1]]
        wait_for(lambda: states(deployment)["small"] == "READY")
        assert next(last.list_search_indexes())["queryable"]

        text = {"index": "t", "text": {"query": "word7", "path": "t"}}
        hits = list(last.aggregate([{"$search": text}, {"$limit": 2}]))

        assert len(hits) == 2
        assert {states(deployment)[name] for name in LARGE[:-1]} & {"PENDING", "BUILDING"}


def test_search_wait_is_limited_by_max_time(home: Path) -> None:
    with LocalDeployment(home) as deployment, MongoClient(deployment.uri) as client:
        text = {"index": "t", "text": {"query": "word7", "path": "t"}}

        with pytest.raises(ExecutionTimeout):
            client["d"][LARGE[-1]].aggregate([{"$search": text}], maxTimeMS=100)

        assert entry(client["d"][LARGE[-1]], "t")["status"] != "READY"


def test_search_does_not_wait_for_a_new_index(home: Path) -> None:
    """As on the real server, since the index was never searchable."""
    with LocalDeployment(home) as deployment, MongoClient(deployment.uri) as client:
        documents = client["d"]["new"]
        documents.insert_many([{"t": WORDS} for _ in range(500)])
        documents.create_search_index(TEXTS)
        text = {"index": "t", "text": {"query": "word7", "path": "t"}}

        with pytest.raises(Exception, match="cannot query search index t while in state"):
            documents.aggregate([{"$search": text}])
