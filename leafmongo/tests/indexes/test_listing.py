"""`$listSearchIndexes` describes an index in each of its states."""

import asyncio
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import Binary, ObjectId
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from leafmongo import LocalDeployment
from leafmongo.deployment.paths import Home, socket_uri
from leafmongo.engine import CommandError
from leafmongo.indexes.catalog import IndexRecord
from leafmongo.indexes.commands import describe_index
from leafmongo.indexes.profiles import NEWEST, PROFILES
from leafmongo.indexes.registry import BuildState, IndexRegistry, ServedIndex
from leafmongo.queries.freshness import Freshness
from leafmongo.queries.rewrite import Search
from leafmongo.queries.search import IndexSearch
from mongotests import in_process, searching
from mongotests.searching import Documents, definition, model, stage

RECORD = IndexRecord(
    id=ObjectId(),
    database="d",
    collection="c",
    uuid=Binary(bytes(16), 4),
    name="near",
    type="vectorSearch",
    definition=definition(2),
    version=3,
    created=dt.datetime(2026, 1, 2),
)


def ready() -> ServedIndex:
    served = ServedIndex(RECORD, PROFILES[NEWEST])
    assert served.staged is not None
    served.staged.complete()
    served.promote(served.staged)
    return served


def make(served: ServedIndex, status: str) -> None:
    """Stage a version with that status."""
    assert served.staged is not None
    if status == "FAILED":
        served.fail(served.staged, "MemoryError: ")
    else:
        served.staged.state = BuildState[status]


def status_of(served: ServedIndex) -> tuple[str, bool]:
    found = describe_index(served)
    return found["status"], found["queryable"]


@pytest.mark.semantics("6.2")
def test_entry_has_these_keys_and_no_others(documents: Documents) -> None:
    searching.create(documents, definition(2))

    found = searching.entry(documents)

    version = {"version": 0, "createdAt": found["latestDefinitionVersion"]["createdAt"]}
    (host,) = found.pop("statusDetail")
    index = host.pop("mainIndex")
    assert ObjectId.is_valid(found.pop("id"))
    assert isinstance(version["createdAt"], dt.datetime)
    assert found == {
        "name": "default",
        "type": "vectorSearch",
        "status": "READY",
        "queryable": True,
        "latestDefinitionVersion": version,
        "latestDefinition": definition(2),
    }
    assert host == {"hostname": host["hostname"], "status": "READY", "queryable": True}
    assert {key: index[key] for key in ("status", "queryable", "definition")} == {
        "status": "READY",
        "queryable": True,
        "definition": definition(2),
    }
    assert index["definitionVersion"] == version
    ours = {"numDocs", "numVectors", "memoryBytes", "skipped"}
    assert set(index) == {"status", "queryable", "definition", "definitionVersion", *ours}


@pytest.mark.semantics("6.2")
def test_definition_is_returned_unchanged(documents: Documents) -> None:
    """It keeps the user's order and unknown keys and has no defaults added."""
    field = {"similarity": "cosine", "numDimensions": 2.0, "path": "v", "type": "vector"}
    written = {"note": "ours", "numPartitions": 1, "fields": [field]}
    searching.create(documents, written)

    found = searching.entry(documents)["latestDefinition"]

    assert found == written
    assert list(found["fields"][0]) == list(field)


@pytest.mark.semantics("6.3")
@pytest.mark.parametrize("status", ["PENDING", "BUILDING", "FAILED"])
def test_first_version_answers_when_it_is_ready(status: str) -> None:
    served = ServedIndex(RECORD, PROFILES[NEWEST])
    make(served, status)

    assert status_of(served) == (status, False)
    assert status_of(ready()) == ("READY", True)


@pytest.mark.semantics("6.3")
@pytest.mark.parametrize(
    ("staged", "status"),
    [("PENDING", "BUILDING"), ("BUILDING", "BUILDING"), ("FAILED", "FAILED")],
)
def test_old_version_answers_during_a_build(staged: str, status: str) -> None:
    served = ready()
    served.stage(RECORD)
    make(served, staged)

    (host,) = describe_index(served)["statusDetail"]

    assert status_of(served) == (status, True)
    assert (host["mainIndex"]["status"], host["mainIndex"]["queryable"]) == ("READY", True)
    assert (host["stagedIndex"]["status"], host["stagedIndex"]["queryable"]) == (staged, False)


@pytest.mark.semantics("6.3")
def test_failed_index_shows_the_reason() -> None:
    served = ServedIndex(RECORD, PROFILES[NEWEST])
    make(served, "FAILED")

    (host,) = describe_index(served)["statusDetail"]

    assert (host["mainIndex"]["status"], host["mainIndex"]["message"]) == (
        "FAILED",
        "MemoryError: ",
    )


@pytest.fixture
def idle(deployment: LocalDeployment, folder: Path, documents: Documents) -> Iterator[Documents]:
    """A collection behind a gateway that does not build indexes."""
    at = folder / "gateway.sock"
    mongod = Home.at(Path(deployment.status().home)).mongod_socket
    with in_process.gateway(mongod, at), MongoClient[dict[str, Any]](socket_uri(at)) as client:
        yield client[documents.database.name][documents.name]


@pytest.mark.semantics("6.1", "6.3")
def test_index_is_created_at_once_and_built_later(idle: Documents) -> None:
    idle.create_search_index(model(definition(2)))

    found = searching.entry(idle)

    assert (found["status"], found["queryable"]) == ("PENDING", False)
    assert found["statusDetail"] == []


@pytest.mark.semantics("3.3")
def test_index_without_a_build_does_not_answer(idle: Documents) -> None:
    idle.create_search_index(model(definition(2)))

    with pytest.raises(OperationFailure, match="while in state NOT_STARTED") as error:
        idle.aggregate([stage([1.0, 0.0])])

    assert error.value.code == 8


@pytest.mark.semantics("3.3")
@pytest.mark.parametrize(
    ("status", "name"),
    [("PENDING", "NOT_STARTED"), ("BUILDING", "INITIAL_SYNC"), ("FAILED", "FAILED: MemoryError")],
)
def test_error_names_the_state(status: str, name: str) -> None:
    async def ask() -> None:
        indexes = IndexRegistry()
        make(indexes.put(RECORD), status)
        options = stage([1.0, 0.0], index=RECORD.name)["$vectorSearch"]
        search = IndexSearch(indexes, Freshness(lambda marker: None))
        await search.find("d", Search("c", "$vectorSearch", options, None))

    with pytest.raises(CommandError, match=f"cannot query vector index near .* state {name}"):
        asyncio.run(ask())
