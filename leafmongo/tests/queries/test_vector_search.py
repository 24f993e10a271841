"""`$vectorSearch` over the wire agrees with plain numpy."""

import asyncio
from typing import Any

import numpy as np
import pytest
from pymongo import AsyncMongoClient

from leafmongo import LocalDeployment
from mongotests.searching import (
    Documents,
    bits,
    create,
    definition,
    float32,
    int8,
    stage,
    unit_rows,
)

SCORE = {"$set": {"score": {"$meta": "vectorSearchScore"}}}


def expected(scores: np.ndarray, limit: int = 10) -> list[int]:
    return np.argsort(-scores, kind="stable")[:limit].tolist()


@pytest.mark.semantics("5")
@pytest.mark.parametrize("stored", [float32, np.ndarray.tolist], ids=["bindata", "array"])
def test_floats_are_found_by_their_dot_product(documents: Documents, stored: Any) -> None:
    rows = unit_rows(300, 24)
    documents.insert_many([{"_id": i, "v": stored(row)} for i, row in enumerate(rows)])
    create(documents, definition(24))

    found = list(documents.aggregate([stage(stored(rows[7])), SCORE]))

    similarities = rows @ rows[7]
    assert [hit["_id"] for hit in found] == expected(similarities)
    scores = (1 + similarities[expected(similarities)]) / 2
    assert [hit["score"] for hit in found] == pytest.approx(scores.tolist(), abs=1e-6)


@pytest.mark.semantics("5")
def test_int8_is_found_by_cosine(documents: Documents) -> None:
    rows = np.random.default_rng(1).integers(-127, 128, (300, 24)).astype(np.int8)
    documents.insert_many([{"_id": i, "v": int8(row)} for i, row in enumerate(rows)])
    create(documents, definition(24, "cosine"))

    found = list(documents.aggregate([stage(int8(rows[3])), SCORE]))

    exact = rows.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1)
    cosines = exact @ exact[3] / lengths / lengths[3]
    assert [hit["_id"] for hit in found] == expected(cosines)
    scores = (1 + cosines[expected(cosines)]) / 2
    assert [hit["score"] for hit in found] == pytest.approx(scores.tolist(), abs=1e-5)


@pytest.mark.semantics("5")
def test_bits_score_by_the_share_of_equal_bits(documents: Documents) -> None:
    rows = np.random.default_rng(2).integers(0, 2, (300, 64))
    documents.insert_many([{"_id": i, "v": bits(row)} for i, row in enumerate(rows)])
    create(documents, definition(64, "euclidean"))

    found = list(documents.aggregate([stage(bits(rows[5])), SCORE]))

    equal = (rows == rows[5]).mean(axis=1)
    assert [hit["score"] for hit in found] == pytest.approx(np.sort(equal)[::-1][:10].tolist())
    assert [hit["score"] for hit in found] == [equal[hit["_id"]] for hit in found]


@pytest.mark.semantics("4.5")
def test_filter_is_applied_before_the_limit(documents: Documents) -> None:
    rows = unit_rows(300, 8)
    documents.insert_many(
        [{"_id": i, "v": float32(row), "group": i % 50} for i, row in enumerate(rows)]
    )
    create(documents, definition(8, "dotProduct", "group"))

    found = list(documents.aggregate([stage(float32(rows[0]), filter={"group": {"$gte": 48}})]))

    kept = np.where(np.arange(300) % 50 >= 48, rows @ rows[0], -np.inf)
    assert [hit["_id"] for hit in found] == expected(kept)


def test_documents_are_returned_as_stored(documents: Documents) -> None:
    stored = {"_id": {"b": 1, "a": 2}, "text": "x", "v": float32(unit_rows(1, 8)[0]), "n": 2**40}
    documents.insert_one(stored)
    create(documents, definition(8))

    (found,) = documents.aggregate([stage([1.0] * 8)])

    assert found == stored
    assert list(found) == list(stored)


def test_key_with_a_dot_is_not_indexed(documents: Documents) -> None:
    """docs/local.md lists this difference to the real server, which finds both."""
    documents.insert_one({"_id": "nested", "v": [1.0, 0.0], "a": {"b": 1}})
    documents.insert_one({"_id": "literal", "v": [1.0, 0.0], "a.b": 1})
    create(documents, definition(2, "dotProduct", "a.b"))

    found = documents.aggregate([stage([1.0, 0.0], filter={"a.b": 1})])

    assert [hit["_id"] for hit in found] == ["nested"]


@pytest.mark.semantics("3.3")
def test_unknown_index_finds_nothing(documents: Documents) -> None:
    documents.insert_one({"v": [1.0] * 8})
    create(documents, definition(8))

    assert list(documents.aggregate([stage([1.0] * 8, index="missing")])) == []
    assert list(documents.database["missing"].aggregate([stage([1.0] * 8)])) == []


@pytest.mark.semantics("3.4")
def test_results_larger_than_a_batch_come_in_order(documents: Documents) -> None:
    rows = unit_rows(500, 8)
    documents.insert_many([{"_id": i, "v": float32(row)} for i, row in enumerate(rows)])
    create(documents, definition(8))

    cursor = documents.aggregate([stage(float32(rows[0]), limit=400, exact=True)], batchSize=30)

    assert [hit["_id"] for hit in cursor] == expected(rows @ rows[0], 400)


async def _search_async(uri: str, documents: Documents, pipeline: list[Any]) -> list[Any]:
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        collection = client[documents.database.name][documents.name]
        listed = [index async for index in await collection.list_search_indexes()]
        assert [index["name"] for index in listed] == ["default"]
        return [hit async for hit in await collection.aggregate(pipeline)]


def test_asynchronous_client_works(deployment: LocalDeployment, documents: Documents) -> None:
    rows = unit_rows(50, 8)
    documents.insert_many([{"_id": i, "v": float32(row)} for i, row in enumerate(rows)])
    create(documents, definition(8))
    pipeline = [stage(float32(rows[4])), SCORE]

    found = asyncio.run(_search_async(deployment.uri, documents, pipeline))

    assert found == list(documents.aggregate(pipeline))
