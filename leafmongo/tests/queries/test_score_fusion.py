"""`$scoreFusion` through the gateway computes, orders and refuses like MongoDB 8.2."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from pymongo.operations import SearchIndexModel

from mongotests.searching import Documents, create, definition, entry, stage, wait_for

pytest.importorskip("tantivy")

SCORE = {"$meta": "score"}
DETAILS = {"$meta": "scoreDetails"}
STORED = [
    {"_id": "far", "v": [0.0, 1.0], "text": "fox fox fox", "boost": 5},
    {"_id": "near", "v": [1.0, 0.0], "text": "a dog", "boost": 1},
    {"_id": "middle", "v": [0.6, 0.8], "text": "a fox among the dogs", "boost": 2},
]
VECTOR = [stage([1.0, 0.0], limit=2, index="vectors")]  # near 1, middle 0.8
TEXT = [{"$search": {"text": {"query": "fox", "path": "text"}}}, {"$limit": 10}]  # far, middle


@pytest.fixture(scope="module")
def three(client: MongoClient[dict[str, Any]]) -> Iterator[Documents]:
    """Documents that no test changes."""
    documents = client["scores"].create_collection("documents")
    documents.insert_many(STORED)
    create(documents, definition(2), "vectors")
    documents.create_search_index(SearchIndexModel({"mappings": {"dynamic": True}}))
    wait_for(lambda: entry(documents)["queryable"])
    yield documents
    client.drop_database("scores")


@pytest.fixture(scope="module")
def bm25(three: Documents) -> dict[str, float]:
    found = three.aggregate([*TEXT, {"$project": {"s": {"$meta": "searchScore"}}}])
    return {hit["_id"]: hit["s"] for hit in found}


def fusion(
    normalization: str | None = None,
    pipelines: Mapping[str, Any] | None = None,
    details: bool = False,
    **combination: Any,
) -> dict[str, Any]:
    given: dict[str, Any] = {"pipelines": pipelines or {"vector": VECTOR, "text": TEXT}}
    if normalization:
        given["normalization"] = normalization
    options: dict[str, Any] = {"input": given}
    if combination:
        options["combination"] = combination
    if details:
        options["scoreDetails"] = True
    return {"$scoreFusion": options}


def scores(documents: Documents, *stages: Any) -> dict[str, float]:
    found = list(documents.aggregate([*stages, {"$project": {"s": SCORE}}]))
    assert [hit["s"] for hit in found] == sorted((hit["s"] for hit in found), reverse=True)
    return {hit["_id"]: hit["s"] for hit in found}


def test_the_average_counts_0_where_a_search_did_not_find(
    three: Documents, bm25: dict[str, float]
) -> None:
    """Without a normalization the scores are those of the searches."""
    expected = {
        "far": bm25["far"] / 2,
        "near": 1.0 / 2,
        "middle": (0.8 + bm25["middle"]) / 2,
    }

    assert scores(three, fusion()) == pytest.approx(expected)
    assert scores(three, fusion("none", method="avg")) == pytest.approx(expected)


def test_sigmoid_comes_before_the_weight(three: Documents, bm25: dict[str, float]) -> None:
    def sigmoid(score: float) -> float:
        return 1 / (1 + math.exp(-score))

    found = scores(three, fusion("sigmoid", weights={"vector": 3, "text": 0.5}))

    assert found == pytest.approx(
        {
            "near": 3 * sigmoid(1.0) / 2,
            "far": 0.5 * sigmoid(bm25["far"]) / 2,
            "middle": (3 * sigmoid(0.8) + 0.5 * sigmoid(bm25["middle"])) / 2,
        }
    )


def test_the_least_of_a_search_becomes_0_and_its_largest_1(three: Documents) -> None:
    """far and near are the best of one search each and equal; _id decides."""
    found = list(three.aggregate([fusion("minMaxScaler"), {"$project": {"s": SCORE}}]))

    assert found == [{"_id": "far", "s": 0.5}, {"_id": "near", "s": 0.5}, {"_id": "middle", "s": 0}]


def test_a_lone_hit_becomes_0_by_min_max(three: Documents) -> None:
    alone = {"$search": {"text": {"query": "dog", "path": "text"}}}

    found = scores(three, fusion("minMaxScaler", {"vector": VECTOR, "text": [alone]}))

    assert found == {"near": 0.5, "middle": 0.0}


@pytest.mark.parametrize(("weight", "near"), [(1, 0.5), (7, 0.5), (0, 0.0)], ids=str)
def test_min_max_undoes_every_weight_but_0(three: Documents, weight: int, near: float) -> None:
    """The server weighs before it scales."""
    assert scores(three, fusion("minMaxScaler", weights={"vector": weight}))["near"] == near


def test_an_expression_weighs_after_the_normalization(three: Documents) -> None:
    weighed = {"$add": [{"$multiply": ["$$vector", 2]}, "$$text"]}

    found = scores(three, fusion("minMaxScaler", method="expression", expression=weighed))

    assert found == {"near": 2.0, "far": 1.0, "middle": 0.0}


def test_an_expression_sees_fields_of_the_document(three: Documents) -> None:
    boosted = {"$multiply": ["$$vector", "$boost"]}

    found = scores(three, fusion(method="expression", expression=boosted))

    assert found == pytest.approx({"middle": 1.6, "near": 1.0, "far": 0.0})


def test_an_expression_does_not_see_what_the_gateway_adds(three: Documents) -> None:
    fields = {"$size": {"$objectToArray": "$$ROOT"}}

    assert set(scores(three, fusion(method="expression", expression=fields)).values()) == {4}


def test_all_documents_are_ranked_before_a_limit(three: Documents) -> None:
    """By an expression the last may become the first."""
    reversed_ = {"$subtract": [0, "$$vector"]}
    expressed = fusion(method="expression", expression=reversed_)

    assert list(scores(three, expressed, {"$limit": 1})) == ["far"]
    assert list(scores(three, fusion("minMaxScaler"), {"$limit": 1})) == ["far"]
    assert list(scores(three, fusion("minMaxScaler"), {"$skip": 1}, {"$limit": 1})) == ["near"]


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ({"$toString": "2.5"}, 14),
        (None, 14),
        ("$no_such_field", 14),
        ("$$other", 17276),
    ],
    ids=str,
)
def test_an_expression_gives_a_number(three: Documents, expression: Any, code: int) -> None:
    with pytest.raises(OperationFailure) as error:
        list(three.aggregate([fusion(method="expression", expression=expression)]))

    assert error.value.code == code


def test_details_show_every_input(three: Documents, bm25: dict[str, float]) -> None:
    """In the order of the names; an input without the document has a score of 0 and no details."""
    asked = fusion("none", details=True, weights={"vector": 2})

    (far,) = [
        hit
        for hit in three.aggregate([asked, {"$project": {"d": DETAILS, "s": SCORE}}])
        if hit["_id"] == "far"
    ]

    assert far["d"]["value"] == far["s"] == pytest.approx(bm25["far"] / 2)
    assert far["d"]["normalization"] == "none"
    assert far["d"]["combination"] == {"method": "average"}
    text, vector = far["d"]["details"]
    assert text == {
        "inputPipelineName": "text",
        "inputPipelineRawScore": bm25["far"],
        "weight": 1.0,
        "value": bm25["far"],
        "details": [],
    }
    assert vector == {
        "inputPipelineName": "vector",
        "inputPipelineRawScore": 0,
        "weight": 2.0,
        "value": 0,
    }


def test_details_show_the_expression_and_its_score(three: Documents) -> None:
    asked = fusion(details=True, method="expression", expression={"$add": ["$$vector", 1]})

    first = next(three.aggregate([asked, {"$project": {"d": DETAILS, "s": SCORE}}]))

    assert (first["_id"], first["s"], first["d"]["value"]) == ("near", 2.0, 2.0)
    assert first["d"]["combination"] == {
        "method": "custom expression",
        "expression": "{ string: { $add: [ '$$vector', 1 ] } }",
    }


def test_documents_are_returned_as_stored(three: Documents) -> None:
    by_id = {document["_id"]: document for document in STORED}
    expressed = fusion(method="expression", expression="$$vector")

    assert list(three.aggregate([fusion("minMaxScaler")])) == [
        by_id["far"],
        by_id["near"],
        by_id["middle"],
    ]
    assert list(three.aggregate([expressed, {"$limit": 1}])) == [by_id["near"]]


def test_an_expression_without_its_method_has_no_effect(three: Documents) -> None:
    assert scores(three, fusion("minMaxScaler", expression="$$vector")) == scores(
        three, fusion("minMaxScaler")
    )


SORTED = [{"$sort": {"a": 1}}]


def combining(**combination: Any) -> Any:
    return fusion(**combination)["$scoreFusion"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (1, 9),
        ({}, 40414),
        ({"input": {"normalization": "none"}}, 40414),
        ({"input": {"pipelines": {}}}, 2),
        ({"input": {"pipelines": {"a": VECTOR[0]}}}, 14),
        ({"input": {"pipelines": {"a": VECTOR}, "normalization": "max"}}, 2),
        ({"input": {"pipelines": {"a": VECTOR}, "normalization": 1}}, 14),
        ({"input": {"pipelines": {"a": VECTOR}, "other": 1}}, 40415),
        (combining(method="sum"), 2),
        (combining(other=1), 40415),
        (combining(method="expression"), 10017300),
        (combining(method="avg", expression=1), 10017300),
        (combining(method="expression", expression=1, weights={"text": 1}), 10017301),
        (combining(weights={"text": -1}), 9460300),
        (combining(weights={"text": "1"}), 14),
        (combining(weights={"b": 1}), 9967500),
        (combining(weights={"text": 1, "vector": 1, "b": 1}), 9460301),
        ({"input": {"pipelines": {"a": []}}}, 9402503),
        ({"input": {"pipelines": {"a": SORTED}}}, 9402500),
        ({"input": {"pipelines": {"a": [*VECTOR, {"$project": {"v": 0}}]}}}, 9402502),
        ({"input": {"pipelines": {"a": [fusion()]}}}, 10473003),
        ({"input": {"pipelines": {"$a": VECTOR}}}, 16410),
        ({"input": {"pipelines": {"a.b": VECTOR}}}, 16412),
        ({"input": {"pipelines": {"": VECTOR}}}, 15998),
        ({"input": {"pipelines": {"a": [*VECTOR, {"$match": {}}]}}}, 115),
        ({"input": {"pipelines": {"a": VECTOR}}, "scoreDetails": 1}, 14),
    ],
    ids=str,
)
def test_refusals_have_the_codes_of_the_server(three: Documents, options: Any, code: int) -> None:
    # With a search among them: mongod gets a fusion without searches.
    pipeline = [{"$scoreFusion": options}, {"$unionWith": {"coll": "c", "pipeline": VECTOR}}]

    with pytest.raises(OperationFailure) as error:
        three.aggregate(pipeline)

    assert error.value.code == code


@pytest.mark.parametrize(
    ("pipeline", "code"),
    [
        ([{"$match": {}}, fusion()], 40602),
        ([{"$facet": {"a": [fusion()]}}], 40600),
        ([{**fusion(), "$limit": 1}], 40323),
        ([fusion("none", {"a": SORTED})], 40324),
    ],
    ids=["second", "facet", "two keys", "no search: mongod 6.0 does not know it"],
)
def test_misplaced_stages_have_the_codes_of_the_server(
    three: Documents, pipeline: list[Any], code: int
) -> None:
    with pytest.raises(OperationFailure) as error:
        three.aggregate(pipeline)

    assert error.value.code == code
