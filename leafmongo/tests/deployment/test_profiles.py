"""A deployment with the limits of a smaller or an older server."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import OperationFailure
from pymongo.operations import SearchIndexModel

from leafmongo import LocalDeployment, LocalError
from mongotests.command import leaf_mongo
from mongotests.folders import short_folder
from mongotests.searching import create, definition, int8, model, stage, wait_for

ROWS = np.random.default_rng(1).integers(-100, 100, (20, 8))


@pytest.fixture(scope="module")
def small() -> Iterator[LocalDeployment]:
    with short_folder() as folder, LocalDeployment(folder / "m0", like="m0") as deployment:
        yield deployment


@pytest.fixture
def collections(small: LocalDeployment) -> Iterator[list[Collection[dict[str, Any]]]]:
    with MongoClient[dict[str, Any]](small.uri) as client:
        yield [client[f"db{n}"].create_collection("documents") for n in range(2)]
        for n in range(2):
            client.drop_database(f"db{n}")
        # A dropped collection's indexes vanish with the next look at the catalog.
        wait_for(lambda: not list(client["__leaf_search"]["indexes"].find()))


def test_fourth_index_of_any_type_and_collection_is_refused(
    collections: list[Collection[dict[str, Any]]],
) -> None:
    one, other = collections
    text = {"mappings": {"dynamic": True}}
    one.create_search_index(model(definition(2), "a"))
    one.create_search_index(SearchIndexModel(text, name="b", type="search"))
    other.create_search_index(model(definition(2), "c"))

    with pytest.raises(OperationFailure, match="maximum number of FTS indexes") as error:
        other.create_search_index(model(definition(2), "d"))

    assert error.value.code == 20
    one.create_search_index(model(definition(2), "a"))  # exists, so it takes no room
    one.drop_search_index("b")
    other.create_search_index(model(definition(2), "d"))


def test_request_that_exceeds_the_limit_creates_nothing(
    collections: list[Collection[dict[str, Any]]],
) -> None:
    with pytest.raises(OperationFailure):
        collections[0].create_search_indexes([model(definition(2), f"i{n}") for n in range(4)])

    assert list(collections[0].list_search_indexes()) == []


def test_small_clusters_answer_the_version_command(
    small: LocalDeployment, client: MongoClient[dict[str, Any]]
) -> None:
    with MongoClient[dict[str, Any]](small.uri) as other:
        assert other.admin.command("atlasVersion")["ok"] == 1
    with pytest.raises(OperationFailure, match="no such c"):
        client.admin.command("atlasVersion")


@pytest.mark.long  # starts a second deployment
def test_newest_server_finds_int8_under_binary_and_an_older_one_does_not(
    client: MongoClient[dict[str, Any]],
) -> None:
    fields = definition(8, "cosine")
    fields["fields"][0]["quantization"] = "binary"

    def found(client: MongoClient[dict[str, Any]]) -> list[Any]:
        documents = client["int8"].create_collection("documents")
        documents.insert_many([{"_id": n, "v": int8(row)} for n, row in enumerate(ROWS)])
        create(documents, fields)
        hits = [d["_id"] for d in documents.aggregate([stage(int8(ROWS[3]), limit=1)])]
        client.drop_database("int8")
        return hits

    assert found(client) == [3]
    with (
        short_folder() as folder,
        LocalDeployment(folder / "old", like="mongot-1.70") as older,
        MongoClient[dict[str, Any]](older.uri) as other,
    ):
        assert found(other) == []


def test_unknown_server_is_refused() -> None:
    with pytest.raises(LocalError, match=r"expected one of atlas, flex, m0, mongot-1\.70"):
        LocalDeployment(like="m1")
    assert leaf_mongo("start", "--like", "m1").exit_code == 2


def test_running_deployment_keeps_its_limits(small: LocalDeployment) -> None:
    home = small.status().home

    with pytest.raises(LocalError, match="running like m0; expected flex"):
        LocalDeployment(home, like="flex").start()
    assert LocalDeployment(home).start() is False
