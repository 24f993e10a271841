"""Who rejects what, over the wire, and where a pipeline may have a search."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from mongotests.searching import Documents, create, definition, stage

pytestmark = pytest.mark.semantics("0")

QUERY = [1.0, 0.0]
META = {"$meta": "vectorSearchScore"}
WRAPPED = "PlanExecutor error during aggregation :: caused by :: "
STORED = [
    {"_id": "second", "v": [0.0, 1.0]},
    {"_id": "first", "v": [1.0, 0.0]},
    {"_id": "as the second", "v": [0.0, 1.0]},
]


@pytest.fixture(scope="module")
def three(client: MongoClient[dict[str, Any]]) -> Iterator[Documents]:
    """Three documents, which no test changes."""
    documents = client["checks"].create_collection("documents")
    documents.insert_many(STORED)
    create(documents, definition(2))
    yield documents
    client.drop_database("checks")


def refusal(action: Any) -> dict[str, Any]:
    with pytest.raises(OperationFailure) as error:
        action()
    return dict(error.value.details or {})


def search(documents: Documents, *stages: Any, **options: Any) -> list[Any]:
    return [hit["_id"] for hit in documents.aggregate([stage(QUERY, **options), *stages])]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"limit": "3"}, 8575100),
        ({"limit": -1}, 7912700),
        ({"filter": {"a": {"$unknown": 1}}}, 2),
    ],
    ids=str,
)
def test_mongod_checks_come_first(three: Documents, options: dict[str, Any], code: int) -> None:
    """They hide other errors of the stage, which the search process has not seen yet."""
    wrong = {"$vectorSearch": {"path": 1, "limit": 1, **options}}

    error = refusal(lambda: three.aggregate([wrong]))

    assert error["code"] == code
    assert WRAPPED not in error["errmsg"]


def test_stage_that_is_not_an_object_is_rejected(three: Documents) -> None:
    error = refusal(lambda: three.aggregate([{"$vectorSearch": "near"}]))

    assert (error["code"], error["codeName"]) == (9, "FailedToParse")


def test_search_process_errors_are_wrapped(three: Documents) -> None:
    error = refusal(lambda: search(three, exact="yes"))

    assert (error["code"], error["codeName"]) == (8, "UnknownError")
    assert error["errmsg"].startswith(WRAPPED)


def test_unknown_options_are_ignored(three: Documents) -> None:
    assert search(three, limit=1, concurrent=True, k=5) == ["first"]


def test_stage_is_checked_before_its_index(three: Documents) -> None:
    """Without an index, options that depend on it are not checked."""
    assert refusal(lambda: search(three, index="missing", exact="yes"))["code"] == 8
    assert search(three, index="missing", path="w", filter={"undeclared": 1}) == []


@pytest.mark.parametrize(
    ("pipeline", "code"),
    [
        ([{"$search": {"text": {"query": "a", "path": "t"}}}, stage(QUERY)], 40602),
        ([stage(QUERY), {"$search": {"text": {"query": "a", "path": "t"}}}], 40602),
        ([{"$unionWith": {"coll": "c", "pipeline": [{"$limit": 1}, stage(QUERY)]}}], 40602),
        ([{"$lookup": {"from": "c", "pipeline": [{"$limit": 1}, stage(QUERY)], "as": "x"}}], 40602),
        ([{"$unionWith": {"coll": "c", "pipeline": [{"$facet": {"a": [stage(QUERY)]}}]}}], 40600),
        ([stage(QUERY), {"$set": {"m": "$$SEARCH_META"}}], 6347902),
        ([{**stage(QUERY), "$limit": 1}], 40323),
    ],
    ids=["after text", "before text", "union", "lookup", "facet", "SEARCH_META", "two keys"],
)
def test_misplaced_stages_have_the_codes_of_the_server(
    three: Documents, pipeline: list[Any], code: int
) -> None:
    assert refusal(lambda: three.aggregate(pipeline))["code"] == code


@pytest.mark.parametrize("level", ["majority", "linearizable", "snapshot"])
def test_search_requires_read_concern_local(three: Documents, level: str) -> None:
    strict = three.with_options(read_concern=ReadConcern(level))

    assert refusal(lambda: search(strict))["codeName"] == "InvalidOptions"
    assert search(three.with_options(read_concern=ReadConcern("local")), limit=1) == ["first"]


def test_update_cannot_search(three: Documents) -> None:
    """mongod itself rejects it: with 72 if it knows the stage, with 40324 if it is older."""
    assert refusal(lambda: three.update_one({}, [stage(QUERY)]))["code"] in (72, 40324)
    assert refusal(lambda: three.find_one_and_update({}, [stage(QUERY)]))["code"] in (72, 40324)


def test_search_requires_a_collection(three: Documents) -> None:
    assert refusal(lambda: three.database.aggregate([stage(QUERY)]))["codeName"] == (
        "InvalidNamespace"
    )


def test_sort_by_score_keeps_the_order(three: Documents) -> None:
    expected = ["first", "second", "as the second"]

    assert search(three) == expected
    assert search(three, {"$sort": {"score": META}}) == expected
    assert search(three, {"$sort": {"x": META}}, {"$set": {"s": META}}) == expected


def test_view_finds_nothing(three: Documents) -> None:
    """A view cannot have an index here."""
    view = three.database.create_collection("view", viewOn=three.name, pipeline=[])

    assert search(view) == []


def test_deleted_documents_are_not_returned(documents: Documents) -> None:
    documents.insert_many(STORED)
    create(documents, definition(2))

    documents.delete_one({"_id": "first"})

    assert search(documents) == ["second", "as the second"]


@pytest.mark.semantics("3.4")
def test_scores_are_descending_float32_values(documents: Documents) -> None:
    vectors = [[0.1, 0.0], [1 / 3, 0.0], [0.7, 0.0]]
    documents.insert_many([{"_id": i, "v": v} for i, v in enumerate(vectors)])
    create(documents, definition(2))

    found = list(documents.aggregate([stage(QUERY), {"$project": {"s": META}}]))

    assert found == [
        {"_id": 2, "s": 0.8500000238418579},
        {"_id": 1, "s": 0.6666666865348816},
        {"_id": 0, "s": 0.550000011920929},
    ]


@pytest.mark.semantics("3.3")
@pytest.mark.parametrize("database", ["checks", "missing"])
def test_missing_collection_finds_nothing(three: Documents, database: str) -> None:
    assert search(three.database.client[database]["missing"]) == []
