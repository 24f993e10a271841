"""`$rankFusion` through the gateway ranks like MongoDB 8.1, and refuses with its codes."""

from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from pymongo.operations import SearchIndexModel

from mongotests.searching import Documents, create, definition, entry, stage, wait_for

pytest.importorskip("tantivy")

QUERY = [1.0, 0.0]
SCORE = {"$meta": "score"}
DETAILS = {"$meta": "scoreDetails"}
STORED = [
    {"_id": "far", "v": [0.0, 1.0], "text": "fox fox fox"},
    {"_id": "near", "v": [1.0, 0.0], "text": "a dog"},
    {"_id": "middle", "v": [0.6, 0.8], "text": "a fox among the dogs"},
]
VECTOR = [stage(QUERY, limit=2, index="vectors")]
TEXT = [{"$search": {"text": {"query": "fox", "path": "text"}}}, {"$limit": 10}]


@pytest.fixture(scope="module")
def three(client: MongoClient[dict[str, Any]]) -> Iterator[Documents]:
    """Documents that no test changes. By vector: near, middle; by text: far, middle."""
    documents = client["fusion"].create_collection("documents")
    documents.insert_many(STORED)
    create(documents, definition(2), "vectors")
    documents.create_search_index(SearchIndexModel({"mappings": {"dynamic": True}}))
    wait_for(lambda: entry(documents)["queryable"])
    yield documents
    client.drop_database("fusion")


def fusion(weights: dict[str, float] | None = None, **options: Any) -> dict[str, Any]:
    given = {"input": {"pipelines": {"vector": VECTOR, "text": TEXT}}, **options}
    return {"$rankFusion": {**given, "combination": {"weights": weights}} if weights else given}


def scores(documents: Documents, *stages: Any) -> list[tuple[Any, float]]:
    found = documents.aggregate([*stages, {"$project": {"s": SCORE}}])
    return [(hit["_id"], hit["s"]) for hit in found]


def test_score_is_the_sum_of_reciprocal_ranks(three: Documents) -> None:
    """Among equal scores, the lesser id comes first."""
    assert scores(three, fusion()) == [
        ("middle", 1 / 62 + 1 / 62),
        ("far", 1 / 61),
        ("near", 1 / 61),
    ]


def test_ties_are_ordered_by_id(three: Documents) -> None:
    by_text_first = {"pipelines": {"text": TEXT, "vector": VECTOR}}

    assert scores(three, {"$rankFusion": {"input": by_text_first}}) == scores(three, fusion())


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"vector": 2, "text": 0.5}, {"near": 2 / 61, "middle": 2.5 / 62, "far": 0.5 / 61}),
        ({"text": 3}, {"far": 3 / 61, "middle": 4 / 62, "near": 1 / 61}),
        ({"vector": 1, "text": 0}, {"near": 1 / 61, "middle": 1 / 62, "far": 0.0}),
    ],
    ids=str,
)
def test_weights_apply_by_pipeline_name(
    three: Documents, weights: dict[str, float], expected: dict[str, float]
) -> None:
    found = scores(three, fusion(weights))

    assert dict(found) == pytest.approx(expected)
    assert [score for _, score in found] == sorted(expected.values(), reverse=True)


def test_documents_are_returned_as_stored(three: Documents) -> None:
    by_id = {document["_id"]: document for document in STORED}

    found = list(three.aggregate([fusion(), {"$limit": 2}]))

    assert found == [by_id["middle"], by_id["far"]]


def test_details_show_each_rank(three: Documents) -> None:
    with_details = fusion({"vector": 2}, scoreDetails=True)

    found = list(three.aggregate([with_details, {"$project": {"d": DETAILS, "s": SCORE}}]))

    (near,) = [hit for hit in found if hit["_id"] == "near"]
    assert near["d"]["value"] == near["s"] == 2 / 61
    text, vector = near["d"]["details"]  # in the order of their names
    assert vector == {
        "inputPipelineName": "vector",
        "rank": 1,
        "weight": 2.0,
        "value": 1.0,
        "details": [],
    }
    assert text == {"inputPipelineName": "text", "rank": "NA", "weight": 1.0}


def test_details_are_absent_unless_requested(three: Documents) -> None:
    with pytest.raises(OperationFailure):
        three.aggregate([fusion(), {"$project": {"d": DETAILS}}])


def test_fusion_works_in_union_and_lookup(three: Documents) -> None:
    other = three.database["other"]
    inner = [fusion(), {"$limit": 1}, {"$project": {"s": SCORE}}]
    union = {"$unionWith": {"coll": three.name, "pipeline": inner}}
    lookup = {"$lookup": {"from": three.name, "pipeline": inner, "as": "best"}}

    by_union = list(other.aggregate([union]))
    (by_lookup,) = three.aggregate([{"$match": {"_id": "far"}}, lookup])

    assert by_union == by_lookup["best"] == [{"_id": "middle", "s": 1 / 62 + 1 / 62}]


def test_fusion_of_several_vector_searches(documents: Documents) -> None:
    """Ids may be of any type."""
    ids = [ObjectId(), 1, {"a": 1}]
    vectors = [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]
    documents.insert_many([{"_id": i, "v": v} for i, v in zip(ids, vectors, strict=True)])
    create(documents, definition(2))
    pipelines = {"a": [stage([1.0, 0.0], limit=2)], "b": [stage([0.0, 1.0], limit=2)]}

    found = scores(documents, {"$rankFusion": {"input": {"pipelines": pipelines}}})

    assert found[0] == (1, 1 / 62 + 1 / 62)
    assert [id for id, _ in found[1:]] in ([ids[0], ids[2]], [ids[2], ids[0]])


@pytest.mark.parametrize(
    ("given", "code", "text"),
    [
        (1, 9, "must be an object"),
        ({"input": {}}, 40414, '"$rankFusion.input.pipelines" is required'),
        ({"input": {"pipelines": {"a": 1}}}, 14, "must be an array"),
        ({"input": {"pipelines": {"$a": VECTOR}}}, 16410, "cannot name a pipeline"),
        ({"input": {"pipelines": {"a.b": VECTOR}}}, 16412, "cannot name a pipeline"),
        ({"input": {"pipelines": {}}}, 2, "cannot be empty"),
        ({"combination": {"weights": {"other": 1}}}, 9967500, "other"),
        ({"combination": {"weights": {"a": 1, "b": 1, "c": 1}}}, 9460301, "3 weights for 2"),
        ({"combination": {"weights": {"vector": -1}}}, 9460300, "at least 0"),
        ({"combination": {"weights": {"vector": "1"}}}, 14, "must be a number"),
        ({"combination": {"method": "avg"}}, 40415, "unrecognized field"),
        ({"scoreDetails": 1}, 14, "must be a boolean"),
        ({"k": 1}, 40415, "unrecognized field"),
        (
            {"input": {"pipelines": {"a": [*VECTOR, {"$match": {}}]}}},
            115,
            "optionally with a $limit",
        ),
        ({"input": {"pipelines": {"a": VECTOR, "b": [{"$sort": {"a": 1}}]}}}, 115, "pipelines.b"),
        ({"input": {"pipelines": {"a": [{"$limit": 1}, *VECTOR]}}}, 40602, "first"),
    ],
    ids=str,
)
def test_errors_name_the_path(three: Documents, given: Any, code: int, text: str) -> None:
    options = given if not isinstance(given, dict) else {**fusion()["$rankFusion"], **given}
    # With a search among them: mongod runs a $rankFusion without searches.
    pipeline = [{"$rankFusion": options}, {"$unionWith": {"coll": "c", "pipeline": VECTOR}}]

    with pytest.raises(OperationFailure) as error:
        three.aggregate(pipeline)

    assert error.value.code == code
    assert text in (error.value.details or {})["errmsg"]


@pytest.mark.parametrize(
    ("pipeline", "code"),
    [
        ([{"$match": {}}, fusion()], 40602),
        ([{"$facet": {"a": [fusion()]}}], 40600),
        ([{**fusion(), "$limit": 1}], 40323),
        ([{"$rankFusion": {"input": {"pipelines": {"a": [{"$sort": {"a": 1}}]}}}}], 40324),
    ],
    ids=["second", "facet", "two keys", "no search: mongod 6.0 does not know it"],
)
def test_misplaced_stages_have_the_codes_of_the_server(
    three: Documents, pipeline: list[Any], code: int
) -> None:
    with pytest.raises(OperationFailure) as error:
        three.aggregate(pipeline)

    assert error.value.code == code
