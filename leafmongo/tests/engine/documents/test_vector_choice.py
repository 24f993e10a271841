"""Which vectors are indexed, and how the others are counted: section 2.2."""

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bson import Decimal128
from bson.binary import VECTOR_SUBTYPE, Binary

from leafmongo.engine import VectorIndex, parse_definition, parse_query
from leafmongo.engine.documents.vector_column import (
    BITS_NEED_EUCLIDEAN,
    MALFORMED,
    MISSING,
    NOT_A_VECTOR,
    NOT_FINITE,
    NOT_FIRST,
    QUANTIZED,
    WRONG_DIMENSIONS,
    ZERO,
)

pytestmark = pytest.mark.semantics("2.2")

Make = Callable[..., VectorIndex]


def only(index: VectorIndex, reason: str) -> bool:
    """Assert that document 1 is indexed without a vector for this reason alone."""
    stats = index.stats()
    examples = {reason: [1]}
    return (stats.documents, stats.vectors, stats.skipped, stats.skipped_examples) == (
        (1, 0, {reason: 1}, examples)
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, MISSING),
        ({"x": 1}, MISSING),
        ("text", NOT_A_VECTOR),
        (1.0, NOT_A_VECTOR),
        ([1.0, "2"], NOT_A_VECTOR),
        ([1.0, None], NOT_A_VECTOR),
        ([1.0, Decimal128("2")], NOT_A_VECTOR),
        (Binary(b"\x27\x00\x00\x00\x00\x00", 0), NOT_A_VECTOR),
        (Binary(uuid.UUID(int=7).bytes, 4), NOT_A_VECTOR),
        ([], WRONG_DIMENSIONS),
        ([1.0], WRONG_DIMENSIONS),
        ([1.0, 2.0, 3.0], WRONG_DIMENSIONS),
        ([1.0, float("nan")], NOT_FINITE),
        ([1.0, float("-inf")], NOT_FINITE),
        ([1.0, 1e39], NOT_FINITE),
        (Binary(b"\x27\x01\x00\x00\x00\x00", VECTOR_SUBTYPE), MALFORMED),
        (Binary(b"\x27", VECTOR_SUBTYPE), MALFORMED),
    ],
)
def test_document_without_usable_vector(value: Any, reason: str, make_index: Make) -> None:
    assert only(make_index([{"_id": 1, "v": value}]), reason)


def test_missing_path_is_counted(make_index: Make) -> None:
    assert only(make_index([{"_id": 1}]), MISSING)


def test_zero_bits_only_count_without_cosine(
    make_index: Make, binary: Callable[..., Binary]
) -> None:
    docs = [{"_id": 1, "v": binary("packed_bit", [0])}]

    assert only(make_index(docs, numDimensions=8, similarity="cosine"), ZERO)
    assert make_index(docs, numDimensions=8).stats().vectors == 1


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_zero_vectors_only_count_without_cosine(
    kind: str, make_index: Make, binary: Callable[..., Binary]
) -> None:
    docs = [{"_id": 1, "v": binary(kind, [0, 0])}]

    assert only(make_index(docs, similarity="cosine"), ZERO)
    assert make_index(docs, similarity="euclidean").stats().vectors == 1
    assert make_index(docs, similarity="dotProduct").stats().vectors == 1


@pytest.mark.parametrize(
    ("kind", "quantization"),
    [("int8", "scalar"), ("packed_bit", "scalar"), ("packed_bit", "binary")],
)
def test_bits_are_never_quantised_and_int8_not_by_scalar(
    kind: str, quantization: str, make_index: Make, binary: Callable[..., Binary]
) -> None:
    values = [1] * 8 if kind == "int8" else [1]
    index = make_index(
        [{"_id": 1, "v": binary(kind, values)}], numDimensions=8, quantization=quantization
    )

    assert only(index, QUANTIZED)


def test_int8_is_quantised_to_bits_unless_the_server_is_older(
    make_index: Make, binary: Callable[..., Binary], vector_field: Callable[..., dict[str, Any]]
) -> None:
    docs = [{"_id": 1, "v": binary("int8", [1] * 8)}]
    field = vector_field(numDimensions=8, quantization="binary")
    older = VectorIndex(parse_definition({"fields": [field]}).with_int8_quantized(False))
    older.upsert_many(docs)

    assert make_index(docs, numDimensions=8, quantization="binary").stats().vectors == 1
    assert only(older, QUANTIZED)


@pytest.mark.parametrize("similarity", ["cosine", "dotProduct"])
def test_bits_need_euclidean(
    similarity: str, make_index: Make, binary: Callable[..., Binary]
) -> None:
    docs = [{"_id": 1, "v": binary("packed_bit", [1])}]

    assert only(make_index(docs, numDimensions=8, similarity=similarity), BITS_NEED_EUCLIDEAN)


def test_bits_are_counted_in_bits(make_index: Make, binary: Callable[..., Binary]) -> None:
    docs = [{"_id": 1, "v": binary("packed_bit", [1, 2])}]

    assert make_index(docs, numDimensions=16).stats().vectors == 1
    assert only(make_index(docs, numDimensions=2), WRONG_DIMENSIONS)


@pytest.mark.parametrize(
    ("first", "options", "blocks"),
    [
        (Binary(b"\x03\x00" + bytes([1] * 8), VECTOR_SUBTYPE), {"quantization": "scalar"}, False),
        (Binary(b"\x10\x00\x01", VECTOR_SUBTYPE), {"quantization": "binary"}, False),
        (Binary(b"\x10\x00\x01", VECTOR_SUBTYPE), {"similarity": "cosine"}, False),
        (Binary(b"\x27\x01", VECTOR_SUBTYPE), {}, False),
        (Binary(b"\x10\x00\x00", VECTOR_SUBTYPE), {"similarity": "cosine"}, True),
        (Binary(b"\x03\x00" + bytes(8), VECTOR_SUBTYPE), {"similarity": "cosine"}, True),
        (Binary(b"\x03\x00\x01", VECTOR_SUBTYPE), {}, True),
    ],
    ids=["int8", "bits", "bits, cosine", "malformed", "zero bits", "zero int8", "dimensions"],
)
def test_reasons_that_skip_the_rest_of_a_path(
    first: Binary, options: dict[str, Any], blocks: bool, make_index: Make
) -> None:
    index = make_index([{"_id": 1, "v": [first, [5.0] * 8]}], numDimensions=8, **options)

    assert index.stats().vectors == (0 if blocks else 1)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ([[1.0, 0.0], [5.0, 5.0]], [1.0, 0.0]),
        ([[1.0], [5.0, 5.0]], None),
        ([[0.0, 0.0], [5.0, 5.0]], None),
        ([["x"], [5.0, 5.0]], [5.0, 5.0]),
        ([[float("nan"), 1.0], [5.0, 5.0]], [5.0, 5.0]),
        ([[[1.0, 0.0]], [5.0, 5.0]], [1.0, 0.0]),
    ],
    ids=["first", "dimensions block", "zero blocks", "others do not", "nor does NaN", "deeper"],
)
def test_of_several_vectors_the_first_counts(
    value: Any,
    found: list[float] | None,
    make_index: Make,
    exact: Callable[..., dict[str, Any]],
) -> None:
    index = make_index([{"_id": 1, "v": value}], similarity="cosine")

    matches = index.search(parse_query(exact(queryVector=found or [1.0, 0.0])))

    assert [match.score for match in matches] == ([1.0] if found else [])


def test_of_an_array_of_documents_the_first_vector_counts(
    make_index: Make, exact: Callable[..., dict[str, Any]]
) -> None:
    index = make_index([{"_id": 1, "a": [{"v": [1.0, 0.0]}, {"v": [0.0, 1.0]}]}], path="a.v")

    matches = index.search(parse_query(exact(path="a.v")))

    assert [match.score for match in matches] == [1.0]
    assert index.stats().skipped == {NOT_FIRST: 1}


def test_literal_key_with_a_dot_is_the_same_path(make_index: Make) -> None:
    assert make_index([{"_id": 1, "a.v": [1.0, 0.0]}], path="a.v").stats().vectors == 1


def test_document_without_vector_is_counted_and_never_found(
    make_index: Make, ids: Callable[..., list[Any]]
) -> None:
    index = make_index([{"_id": 1, "v": [1.0]}, {"_id": 2, "v": [1.0, 0.0]}, {"_id": 3}])

    stats = index.stats()

    assert (stats.documents, stats.vectors) == (3, 1)
    assert stats.skipped == {WRONG_DIMENSIONS: 1, MISSING: 1}
    assert ids(index) == [2]


def test_count_follows_updates_and_removals(make_index: Make) -> None:
    index = make_index([{"_id": 1}, {"_id": 2}])

    index.upsert_many([{"_id": 1, "v": [1.0, 0.0]}])
    assert index.stats().skipped_examples == {MISSING: [2]}
    index.remove_many([2])
    assert index.stats().skipped == {}


def test_examples_are_limited(make_index: Make) -> None:
    stats = make_index({"_id": number} for number in range(50)).stats()

    assert stats.skipped == {MISSING: 50}
    assert stats.skipped_examples == {MISSING: [0, 1, 2, 3, 4]}


@pytest.mark.semantics("2.1", "3.2")
def test_kinds_of_vectors_are_separate(
    make_index: Make, ids: Callable[..., list[Any]], binary: Callable[..., Binary]
) -> None:
    """Arrays and float32 BinData are one kind; a query only sees documents of its own kind."""
    ones = np.ones(8)
    index = make_index(
        [
            {"_id": "array", "v": ones.tolist()},
            {"_id": "float32", "v": binary("float32", ones)},
            {"_id": "int8", "v": binary("int8", ones)},
            {"_id": "bits", "v": binary("packed_bit", [255])},
        ],
        numDimensions=8,
    )

    assert ids(index, queryVector=ones.tolist()) == ["array", "float32"]
    assert ids(index, queryVector=binary("float32", ones)) == ["array", "float32"]
    assert ids(index, queryVector=binary("int8", ones)) == ["int8"]
    assert ids(index, queryVector=binary("packed_bit", [255])) == ["bits"]


@pytest.mark.semantics("3.2")
def test_query_of_another_kind_finds_nothing_in_a_quantised_field(
    make_index: Make, ids: Callable[..., list[Any]], binary: Callable[..., Binary]
) -> None:
    index = make_index([{"_id": 1, "v": [1.0] * 8}], numDimensions=8, quantization="scalar")

    assert ids(index, queryVector=binary("int8", [1] * 8)) == []
    assert ids(index, queryVector=binary("packed_bit", [1])) == []


def test_document_without_vector_keeps_its_other_fields(
    make_index: Make, ids: Callable[..., list[Any]]
) -> None:
    """Its filter values are added and removed with it."""
    index = make_index([{"_id": 1, "f": "a"}, {"_id": 2, "f": "a", "v": [1.0, 0.0]}], ["f"])

    assert index.stats().documents == 2
    assert ids(index, filter={"f": "a"}) == [2]
    index.upsert_many([{"_id": 1, "f": "a", "v": [1.0, 0.0]}])
    assert ids(index, filter={"f": "a"}) == [2, 1]
