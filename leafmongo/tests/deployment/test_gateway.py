"""`leaf-mongo gateway` in front of a replica set that requires logins."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from mongotests.folders import short_folder
from mongotests.searching import Documents, create, definition, entry, model, stage, wait_for
from mongotests.upstreams import PASSWORD, ReplicaSet, gateway, replica_set

Client = MongoClient[dict[str, Any]]
LOGIN = {"password": PASSWORD, "authSource": "admin"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[ReplicaSet]:
    with short_folder() as folder, replica_set(folder) as made:
        yield made


@pytest.fixture(scope="module")
def uri(upstream: ReplicaSet) -> Iterator[str]:
    with short_folder() as folder, gateway(folder / "g", upstream.uri("indexer")) as uri:
        yield uri


@pytest.fixture
def documents(uri: str) -> Iterator[Documents]:
    with Client(uri, username="writer", **LOGIN) as client:
        yield client["d"].create_collection("c")
        client["d"].drop_collection("c")


def test_logged_in_client_writes_and_searches(documents: Documents, upstream: ReplicaSet) -> None:
    documents.insert_one({"_id": "before", "v": [0.6, 0.8]})
    create(documents, definition(2))
    documents.insert_one({"_id": "after", "v": [1.0, 0.0]})

    assert [hit["_id"] for hit in documents.aggregate([stage([1.0, 0.0])])] == ["after", "before"]
    with Client(upstream.uri()) as behind:
        assert behind["__leaf_search"]["indexes"].count_documents({"collection": "c"}) == 1


def test_writes_past_the_gateway_are_found(documents: Documents, upstream: ReplicaSet) -> None:
    create(documents, definition(2))
    with Client(upstream.uri()) as behind:
        behind["d"]["c"].insert_one({"_id": "behind", "v": [1.0, 0.0]})

    wait_for(lambda: [hit["_id"] for hit in documents.aggregate([stage([1.0, 0.0])])])


@pytest.mark.parametrize(
    ("user", "search", "make"), [(None, 13, 13), ("reader", None, 13), ("writer", None, None)]
)
def test_clients_do_not_get_the_rights_of_the_gateway(
    documents: Documents, uri: str, user: str | None, search: int | None, make: int | None
) -> None:
    create(documents, definition(2))
    login: dict[str, Any] = {"username": user, **LOGIN} if user else {}
    with Client(uri, **login) as client:
        theirs = client["d"]["c"]

        assert code_of(lambda: list(theirs.aggregate([stage([1.0, 0.0])]))) == search
        assert code_of(lambda: theirs.create_search_index(model(definition(2), "more"))) == make


def test_wrong_password_is_refused_by_the_upstream(uri: str) -> None:
    with Client(uri, username="writer", password="wrong", authSource="admin") as client:
        assert code_of(lambda: client.admin.command("ping")) == 18


def test_discovering_client_stays_at_the_gateway(uri: str) -> None:
    socket = uri.removeprefix("mongodb://").partition("/?")[0]
    with Client(f"mongodb://{socket}/?replicaSet=rs", username="writer", **LOGIN) as client:
        client.d.command("ping")
        hello = client.admin.command("hello")
        (at,) = client.nodes

    assert hello["hosts"] == [at[0]] == [hello["me"]] == [hello["primary"]]
    assert at[0].endswith("gateway.sock")


def test_discovering_client_stays_at_the_port(upstream: ReplicaSet, folder: Path) -> None:
    with gateway(folder / "g", upstream.uri("indexer"), "--port", "0") as uri:
        assert uri.startswith("mongodb://127.0.0.1:")
        found = uri.replace("directConnection=true", "replicaSet=rs")
        with Client(found, username="writer", **LOGIN) as client:
            client.d.command("ping")
            ((host, port),) = client.nodes
            assert f"mongodb://{host}:{port}/?directConnection=true" == uri


def test_gateways_share_indexes(documents: Documents, upstream: ReplicaSet, folder: Path) -> None:
    with (
        gateway(folder / "g", upstream.uri("indexer")) as other,
        Client(other, username="writer", **LOGIN) as client,
    ):
        theirs = client["d"]["c"]
        documents.insert_one({"_id": 1, "v": [1.0, 0.0]})
        create(documents, definition(2))
        wait_for(lambda: [hit["_id"] for hit in theirs.aggregate([stage([1.0, 0.0])])] == [1])

        theirs.update_search_index("default", definition(3))
        wait_for(lambda: entry(documents)["latestDefinition"] == definition(3))
        theirs.drop_search_index("default")
        wait_for(lambda: not list(documents.list_search_indexes()))


def code_of(action: Any) -> int | None:
    try:
        action()
    except OperationFailure as error:
        return error.code
    return None
