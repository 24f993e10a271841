"""Where `$vectorSearch` may be, and the score in every stage that reads it."""

from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from leafmongo.queries.score_meta import CARRIER, METAS, carry
from mongotests.searching import Documents, create, definition, stage

META = {"$meta": "vectorSearchScore"}
UNPACK = [{"$unwind": "$d"}, {"$replaceWith": "$d"}]
QUERY = [1.0, 0.0]
STORED = [
    {"_id": "near", "v": [1.0, 0.0], "tags": ["a", "b"]},
    {"_id": "middle", "v": [0.0, 1.0], "tags": ["a"]},
    {"_id": "far", "v": [-1.0, 0.0], "tags": []},
]
SCORES = {"near": 1.0, "middle": 0.5, "far": 0.0}


@pytest.fixture
def three(documents: Documents) -> Documents:
    documents.insert_many(STORED)
    create(documents, definition(2))
    return documents


def run(documents: Documents, *stages: dict[str, Any], **options: Any) -> list[Any]:
    return list(documents.aggregate([stage(QUERY), *stages], **options))


@pytest.mark.semantics("0")
@pytest.mark.parametrize(
    "stages",
    [
        [{"$project": {"s": META}}],
        [{"$set": {"s": META}}],
        [{"$match": {"v": {"$exists": True}}}, {"$set": {"s": META}}],
        [{"$project": {"v": 1}}, {"$project": {"v": 0}}, {"$project": {"s": META}}],
        [{"$project": {"m": {"x": 0}}}, {"$set": {"s": META}}],
        [{"$project": {"m": {"x": 1}}}, {"$set": {"s": META}}],
        [{"$project": {"m": {"$add": [0, 0]}}}, {"$set": {"s": META}}],
        [{"$replaceWith": {"_id": "$_id"}}, {"$set": {"s": META}}],
        [{"$replaceRoot": {"newRoot": {"_id": "$_id"}}}, {"$set": {"s": META}}],
        [{"$sort": {"_id": 1}}, {"$set": {"s": META}}, {"$sort": {"s": -1}}],
        [{"$sort": {"_id": 1}}, {"$sort": {"x": META}}, {"$set": {"s": META}}],
        [{"$set": {"s": {"$add": [META, 0]}}}, {"$match": {"$expr": {"$eq": ["$s", META]}}}],
    ],
    ids=str,
)
def test_score_is_available_in_every_stage(three: Documents, stages: list[Any]) -> None:
    found = run(three, *stages)

    assert [(hit["_id"], hit["s"]) for hit in found] == list(SCORES.items())
    assert all(CARRIER not in hit for hit in found)


@pytest.mark.parametrize(
    "stages",
    [
        [],
        [{"$set": {"s": META}}, {"$unset": "s"}],
        [{"$replaceWith": {"doc": "$$ROOT", "s": META}}, {"$replaceWith": "$doc"}],
        [{"$group": {"_id": 0, "d": {"$push": "$$ROOT"}, "s": {"$max": META}}}, *UNPACK],
        [{"$facet": {"d": [{"$set": {"s": META}}, {"$unset": "s"}]}}, *UNPACK],
    ],
    ids=str,
)
def test_carrier_field_is_invisible_to_stages(three: Documents, stages: list[Any]) -> None:
    assert run(three, *stages) == STORED


def test_group_can_use_the_score(three: Documents) -> None:
    found = run(three, {"$unwind": "$tags"}, {"$group": {"_id": "$tags", "s": {"$sum": META}}})

    assert {hit["_id"]: hit["s"] for hit in found} == {"a": 1.5, "b": 1.0}


@pytest.mark.semantics("0")
def test_union_searches_another_collection(three: Documents) -> None:
    other = three.database["other"]
    other.insert_many(STORED[:2])

    found = list(
        other.aggregate(
            [
                {"$match": {"_id": "far"}},
                {
                    "$unionWith": {
                        "coll": three.name,
                        "pipeline": [stage(QUERY, limit=2), {"$project": {"s": META}}],
                    }
                },
            ]
        )
    )

    assert found == [{"_id": "near", "s": 1.0}, {"_id": "middle", "s": 0.5}]


@pytest.mark.semantics("0")
def test_lookup_searches_another_collection(three: Documents) -> None:
    other = three.database["other"]
    other.insert_one({"_id": 1})
    inner = [stage(QUERY, limit=1), {"$project": {"s": META}}]

    found = list(
        other.aggregate([{"$lookup": {"from": three.name, "pipeline": inner, "as": "near"}}])
    )

    assert found == [{"_id": 1, "near": [{"_id": "near", "s": 1.0}]}]


def test_variables_and_sessions_reach_mongod(
    three: Documents, client: MongoClient[dict[str, Any]]
) -> None:
    with client.start_session() as session:
        found = run(
            three,
            {"$match": {"$expr": {"$eq": ["$_id", "$$wanted"]}}},
            let={"wanted": "far"},
            session=session,
            comment="of ours",
        )

    assert [hit["_id"] for hit in found] == ["far"]


@pytest.mark.semantics("3.4")
def test_score_is_a_double(three: Documents) -> None:
    found = run(three, {"$project": {"type": {"$type": META}}})

    assert {hit["type"] for hit in found} == {"double"}


@pytest.mark.semantics("3.1", "3.4")
def test_stored_source_comes_from_the_index(documents: Documents) -> None:
    documents.insert_many(STORED)
    create(documents, {**definition(2), "storedSource": {"include": ["tags"]}})

    search = stage(QUERY, limit=1, returnStoredSource=True)
    found = list(documents.aggregate([search, {"$set": {"s": META}}]))

    assert found == [{"_id": "near", "tags": ["a", "b"], "s": 1.0}]


@pytest.mark.semantics("0")
@pytest.mark.parametrize(
    ("pipeline", "code"),
    [
        ([{"$match": {}}, stage(QUERY)], 40602),
        ([stage(QUERY), stage(QUERY)], 40602),
        ([{"$facet": {"a": [stage(QUERY)]}}], 40600),
        ([stage(QUERY, limit=1, filter={"undeclared": 1})], 8),
    ],
    ids=["second", "twice", "facet", "filter"],
)
def test_misplaced_and_invalid_searches_have_the_codes_of_the_server(
    three: Documents, pipeline: list[Any], code: int
) -> None:
    with pytest.raises(OperationFailure) as error:
        three.aggregate(pipeline)

    assert error.value.code == code


@pytest.mark.semantics("0")
def test_transaction_cannot_search(three: Documents, client: MongoClient[dict[str, Any]]) -> None:
    with client.start_session() as session, session.start_transaction():
        with pytest.raises(OperationFailure) as error:
            run(three, session=session)
        session.abort_transaction()

    assert error.value.code == 263


def test_explain_shows_mongods_plan(three: Documents) -> None:
    command = {"aggregate": three.name, "pipeline": [stage(QUERY)], "cursor": {}}

    explain_os_errors = three.database.command("explain", command, verbosity="executionStats")

    assert "_id" in str(explain_os_errors["command"]["pipeline"][0]["$match"])


def test_carrier_is_removed_first_if_unread() -> None:
    assert carry([{"$limit": 1}], METAS["$vectorSearch"]) == [{"$unset": CARRIER}, {"$limit": 1}]
