"""A client finds what it has written, and no longer finds what it has deleted or changed."""

import threading
from typing import Any

import pytest
from pymongo import MongoClient, ReplaceOne, WriteConcern

from leafmongo import LocalDeployment
from mongotests.searching import Documents, create, definition, stage, wait_for

NEAR, FAR = [1.0] + [0.0] * 7, [-1.0] + [0.0] * 7


def found(documents: Documents, limit: int = 100) -> list[Any]:
    return [hit["_id"] for hit in documents.aggregate([stage(NEAR, limit=limit)])]


@pytest.mark.semantics("6.4")
def test_search_sees_every_kind_of_write(documents: Documents) -> None:
    create(documents, definition(8))

    for round in range(10):
        documents.insert_many([{"_id": (i), "v": NEAR} for i in range(3)])
        assert found(documents) == [0, 1, 2], round
        documents.update_one({"_id": 0}, {"$set": {"v": FAR}})
        assert found(documents) == [1, 2, 0], round
        documents.update_one({"_id": 1}, {"$unset": {"v": 1}})
        assert found(documents) == [2, 0], round
        documents.find_one_and_replace({"_id": 2}, {"v": FAR})
        documents.bulk_write([ReplaceOne({"_id": 0}, {"v": NEAR})])
        assert found(documents) == [0, 2], round
        documents.delete_many({})
        assert found(documents) == [], round


def test_transaction_is_seen_when_it_is_committed(
    documents: Documents, client: MongoClient[dict[str, Any]]
) -> None:
    create(documents, definition(8))

    with client.start_session() as session, session.start_transaction():
        documents.insert_one({"_id": 1, "v": NEAR}, session=session)
        assert found(documents) == []

    assert found(documents) == [1]


def test_search_sees_writes_of_pipelines(documents: Documents) -> None:
    create(documents, definition(8))
    source = documents.database["source"]
    source.insert_many([{"_id": i, "v": NEAR} for i in range(5)])

    source.aggregate([{"$merge": {"into": documents.name}}])

    assert found(documents) == [0, 1, 2, 3, 4]


def test_search_sees_unacknowledged_writes_soon(documents: Documents) -> None:
    create(documents, definition(8))

    documents.with_options(write_concern=WriteConcern(w=0)).insert_one({"_id": 1, "v": NEAR})

    wait_for(lambda: found(documents) == [1])


def test_nothing_is_lost_while_an_index_is_built(
    documents: Documents, deployment: LocalDeployment
) -> None:
    documents.insert_many([{"_id": i, "v": NEAR} for i in range(3000)])
    stop = threading.Event()
    errors: list[Exception] = []

    def write() -> None:
        with MongoClient[dict[str, Any]](deployment.uri) as client:
            own = client[documents.database.name][documents.name]
            try:
                for i in range(3000):
                    own.delete_one({"_id": i})
                    own.insert_one({"_id": 10_000 + i, "v": NEAR})
                    if stop.is_set():
                        break
            except Exception as error:
                errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    create(documents, definition(8))
    stop.set()
    writer.join()

    stored = {document["_id"] for document in documents.find({}, {"_id": 1})}
    assert set(found(documents, limit=4000)) == stored
    assert errors == []


@pytest.mark.parametrize("clients", [8])
def test_each_client_finds_its_own_writes(
    documents: Documents, deployment: LocalDeployment, clients: int
) -> None:
    create(documents, definition(8, "dotProduct", "owner"))
    missed: list[int] = []

    def work(owner: int) -> None:
        with MongoClient[dict[str, Any]](deployment.uri) as client:
            own = client[documents.database.name][documents.name]
            for i in range(20):
                own.insert_one({"owner": owner, "v": NEAR})
                search = stage(NEAR, limit=100, filter={"owner": owner})
                if len(list(own.aggregate([search]))) != i + 1:
                    missed.append(owner)

    threads = [threading.Thread(target=work, args=(owner,)) for owner in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missed == []
