"""Invalid definitions are rejected; a failed index has a reason and does not affect others."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bson import DBRef, ObjectId
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from pymongo.operations import SearchIndexModel

from leafmongo import LocalDeployment
from leafmongo.deployment.paths import Home
from leafmongo.deployment.replica import Client, connect
from leafmongo.deployment.status import format_status
from leafmongo.engine import VectorIndex
from leafmongo.indexes.build import IndexBuilder
from leafmongo.indexes.catalog import COLLECTION, DATABASE, Catalog
from leafmongo.indexes.follower import Follower
from leafmongo.indexes.registry import IndexRegistry, IndexVersion, ServedIndex
from mongotests.searching import Documents, create, definition, entry, model, stage, wait_for

NEAR = [1.0, 0.0]
UNUSABLE = (
    "metadata.",
    "metadata..x",
    ".x",
    "metadata.$x",
    "$x",
    "v.$",
    "a\0b",
    ".".join("a" * 101),
)


@pytest.mark.semantics("6.1")
@pytest.mark.parametrize("path", UNUSABLE)
def test_path_that_mongod_cannot_read_is_rejected(documents: Documents, path: str) -> None:
    """Create gives the general code of an invalid definition, update gives 125."""
    of_vector = definition(2)
    of_vector["fields"][0]["path"] = path
    stored = {**definition(2), "storedSource": {"include": ["a", path]}}
    spared = {**definition(2), "storedSource": {"exclude": [path]}}
    for wrong, where in (
        (definition(2, "cosine", path), "fields[1].path"),
        (of_vector, "fields[0].path"),
        (stored, "storedSource.include[1]"),
        (spared, "storedSource.exclude[0]"),
    ):
        with pytest.raises(OperationFailure) as error:
            documents.create_search_index(model(wrong))
        assert error.value.code == 8
        assert f'"userCommand.indexes[0].{where}" ' in str(error.value)

    create(documents, definition(2))
    with pytest.raises(OperationFailure, match=r'"userCommand.fields\[1\].path" ') as error:
        documents.update_search_index("default", definition(2, "cosine", path))
    assert error.value.code == 125
    assert entry(documents)["status"] == "READY"


@pytest.mark.parametrize("name", ["", "$x", "a.b"])
def test_text_field_that_mongod_cannot_read_is_rejected(documents: Documents, name: str) -> None:
    mappings = {"fields": {name: {"type": "string"}}}

    with pytest.raises(OperationFailure, match="is not a field name") as error:
        documents.create_search_index(SearchIndexModel({"mappings": mappings}, "text", "search"))

    assert error.value.code == 8


def test_odd_names_that_mongod_can_read_are_indexed(documents: Documents) -> None:
    documents.insert_one(
        {
            "_id": 1,
            "v": NEAR,
            "a$b": 1,
            "m": {"x$": 1, "0": 1, "with blanks": 1, "été": 1, "*": 1},
            "author": DBRef("people", 1),
        }
    )
    paths = ["a$b", "m.x$", "m.0", "m.with blanks", "m.été", "m.*", "author.$id"]
    kept = {"storedSource": {"include": ["a$b", "m.x$"]}}
    create(documents, {**definition(2, "cosine", *paths), **kept})

    for path in paths:
        assert [hit["_id"] for hit in documents.aggregate([stage(NEAR, filter={path: 1})])] == [1]
        assert list(documents.aggregate([stage(NEAR, filter={path: 2})])) == []
    stored = documents.aggregate([stage(NEAR, returnStoredSource=True)])
    assert list(stored) == [{"_id": 1, "a$b": 1, "m": {"x$": 1}}]


@pytest.mark.long
def test_invalid_stored_definition_fails_alone(folder: Path) -> None:
    home = folder / "home"
    with LocalDeployment(home) as deployment, MongoClient(deployment.uri) as client:
        good, bad = client["d"].create_collection("good"), client["d"].create_collection("bad")
        create(good, definition(2))
        create(bad, definition(2))
        for path in ("metadata.", "metadata.$x"):
            (record,) = client[DATABASE][COLLECTION].find({"collection": "bad"}).limit(1)
            record |= {"_id": ObjectId(), "name": path}
            record["definition"]["fields"].append({"type": "filter", "path": path})
            client[DATABASE][COLLECTION].insert_one(record)
        wait_for(lambda: len(list(bad.list_search_indexes())) == 3)
        assert_only_the_bad_fail(deployment, good, bad)

    with LocalDeployment(home) as deployment, MongoClient(deployment.uri) as client:
        assert_only_the_bad_fail(deployment, client["d"]["good"], client["d"]["bad"])

        client["d"]["bad"].update_search_index("metadata.", definition(2, "cosine", "metadata"))
        wait_for(lambda: entry(client["d"]["bad"], "metadata.")["status"] == "READY")

    log = (home / "log" / "gateway.log").read_text()
    assert "the change stream ended" not in log
    assert "interrupted" not in log
    assert "behind the writes" not in log, "a search waits for no index that has failed"
    assert log.count("cannot be built") < 10


def assert_only_the_bad_fail(deployment: LocalDeployment, good: Documents, bad: Documents) -> None:
    for documents in (good, bad):
        documents.insert_one({"v": NEAR})
        count = documents.count_documents({})
        assert len(list(documents.aggregate([stage(NEAR)]))) == count
        create(documents, definition(2), f"new{count}")
        documents.drop_search_index(f"new{count}")
    with pytest.raises(OperationFailure, match=r"in state FAILED: .*\$x"):
        bad.aggregate([stage(NEAR, index="metadata.$x")])

    failed = entry(bad, "metadata.")
    assert (failed["status"], failed["queryable"]) == ("FAILED", False)
    assert '"metadata."' in failed["statusDetail"][0]["mainIndex"]["message"]
    status = deployment.status()
    states = {index.name: index.status for index in status.indexes if index.collection == "bad"}
    assert states == {"default": "READY", "metadata.": "FAILED", "metadata.$x": "FAILED"}
    assert 'an empty name before, between or after its dots: "metadata."' in format_status(status)


# Faults that no command can cause: mongod refuses the read, or the index fails on documents.


class Refused(VectorIndex):
    def projection(self) -> dict[str, Any]:
        return {"metadata.": 1}


class Broken(VectorIndex):
    def upsert_many(self, docs: Any) -> None:
        raise ValueError("broken")


@contextmanager
def indexes_of(
    deployment: LocalDeployment, documents: Documents
) -> Iterator[tuple[dict[str, ServedIndex], IndexBuilder]]:
    """Two indexes of one collection, `good` and `bad`, in this process, neither built yet."""
    names = ("good", "bad")
    for name in names:
        documents.create_search_index(model(definition(2), name))
    indexes = IndexRegistry()
    with connect(Home.at(Path(deployment.status().home))) as client:
        for record in Catalog(client).load():
            if record.database == documents.database.name:
                indexes.put(record)
        served = {one.record.name: one for one in indexes.all()}
        with following(client, indexes) as builder:
            yield served, builder


@contextmanager
def following(client: Client, indexes: IndexRegistry) -> Iterator[IndexBuilder]:
    def reset() -> None:
        pytest.fail("no change was missed")

    follower = Follower(client, indexes, on_reload=int, on_gap=reset, on_marker=lambda marker: None)
    builder = IndexBuilder(client, follower)
    follower.start()
    builder.start()
    yield builder
    builder.stop()
    follower.stop()
    follower.join()
    builder.join()


def numbers(served: ServedIndex) -> int:
    return served.main.index.stats().documents if served.main is not None else -1


FAULTS = [(Refused, "MongoDB refuses to read it: FieldPath must not end"), (Broken, "ValueError")]


@pytest.mark.parametrize(("kind", "message"), FAULTS)
def test_index_that_cannot_be_built_has_failed(
    deployment: LocalDeployment, documents: Documents, kind: type[VectorIndex], message: str
) -> None:
    documents.insert_one({"v": NEAR})
    with indexes_of(deployment, documents) as (served, builder):
        staged = served["bad"].staged
        assert isinstance(staged, IndexVersion)
        staged.index = kind(staged.definition)
        for one in (served["bad"], served["good"]):
            builder.build(one)

        wait_for(lambda: numbers(served["good"]) == 1 and served["bad"].failure)
        documents.insert_one({"v": NEAR})
        wait_for(lambda: numbers(served["good"]) == 2)

        assert served["bad"].versions == []
        assert served["bad"].failure.reason.startswith(message)


@pytest.mark.parametrize(("kind", "message"), FAULTS)
def test_index_that_cannot_take_changes_has_failed(
    deployment: LocalDeployment, documents: Documents, kind: type[VectorIndex], message: str
) -> None:
    documents.insert_one({"v": NEAR})
    with indexes_of(deployment, documents) as (served, builder):
        for one in served.values():
            builder.build(one)
        wait_for(lambda: [numbers(one) for one in served.values()] == [1, 1])

        main = served["bad"].main
        assert isinstance(main, IndexVersion)
        main.index = kind(main.definition)
        documents.insert_one({"v": NEAR})

        wait_for(lambda: numbers(served["good"]) == 2 and served["bad"].failure)
        assert not served["bad"].queryable
        assert served["bad"].failure.reason.startswith(message)
