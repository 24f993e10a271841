"""Faults of stored vectors, each planted among sixty good ones."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bson import Binary

from leafsearch.doctor import Severity
from leaftests.doctor import (
    Examined,
    Foreign,
    Ingested,
    bits,
    change,
    complaints,
    float32,
    int8,
)

P, W, S = Severity.PROBLEM, Severity.WARNING, Severity.SKIPPED
FOREIGN = dict.fromkeys(("manifest", "texts", "teacher", "vocabulary", "student"), S)


def values(stored: Binary) -> np.ndarray:
    return np.frombuffer(stored, "<f4", offset=2)


def test_documents_without_a_vector(ingested: Ingested, examined: Examined) -> None:
    collection = ingested()
    change(collection, "embedding", None, 2)
    collection.update_one({"_id": "9#0"}, {"$unset": {"embedding": 1}})

    findings = examined()

    assert complaints(findings) == {"vectors": P, "indexed documents": P}
    assert "3 of 60 documents have no vector at 'embedding'" in findings["vectors"].message
    assert "'9#0'" in findings["vectors"].message
    assert findings["vectors"].numbers["missing"] == 3
    assert "missing (3: " in findings["indexed documents"].message


def test_a_misspelt_path(foreign: Foreign, examined: Examined) -> None:
    foreign()

    findings = examined(path="vec")

    assert findings["vectors"].level is P
    assert "did you mean `leaf-search doctor --path v" in findings["vectors"].message
    assert findings["vector type"].level is S


def test_vectors_of_another_size(ingested: Ingested, examined: Examined) -> None:
    change(ingested(), "embedding", float32([0.6, 0.8] + [0] * 62))

    findings = examined()

    assert complaints(findings) == {"vector dimensions": P, "indexed documents": P}
    assert "3 of 60 vectors have 64 dimensions, the index needs 128" in (
        findings["vector dimensions"].message
    )


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_vectors_with_nan_or_infinity(
    ingested: Ingested, examined: Examined, broken: float
) -> None:
    change(ingested(), "embedding", float32([broken] + [0.1] * 127))

    findings = examined()

    assert complaints(findings) == {"vector values": P, "indexed documents": P}
    assert "3 of 60 vectors hold NaN or infinity" in findings["vector values"].message


def test_vectors_of_zeros_are_skipped_under_cosine(foreign: Foreign, examined: Examined) -> None:
    change(foreign(), "v", float32([0] * 64))

    findings = examined(path="v")

    assert complaints(findings) == {**FOREIGN, "vector values": P, "indexed documents": P}
    assert "3 of 60 vectors are only zeros" in findings["vector values"].message


def test_vectors_of_zeros_are_useless_under_dot_product(
    ingested: Ingested, examined: Examined
) -> None:
    change(ingested(), "embedding", float32([0] * 128))

    assert complaints(examined())["vector values"] is P


def test_int8_that_was_truncated_to_zeros(foreign: Foreign, examined: Examined) -> None:
    """bson.Binary.from_vector turns unscaled unit vectors into zeros."""
    foreign(stored=int8)

    findings = examined(path="v", text_field="body")

    assert findings["vector values"].level is P
    assert findings["hits"].level is P
    assert findings["texts"].level is S


def test_vectors_that_are_not_of_unit_length(ingested: Ingested, examined: Examined) -> None:
    change(ingested(), "embedding", lambda stored: float32(values(stored) * 3))

    findings = examined()

    assert complaints(findings) == {"vector length": P}
    assert "3 of 60 vectors are not of length 1 but 1 to 3" in findings["vector length"].message


def test_int8_of_unequal_lengths_under_dot_product(foreign: Foreign, examined: Examined) -> None:
    rows = np.random.default_rng(2).standard_normal((60, 64))
    rows *= np.linspace(1, 9, 60)[:, None]
    foreign(stored=int8, rows=rows * 3, similarity="dotProduct")

    findings = examined(path="v")

    assert complaints(findings) == {**FOREIGN, "vector length": P}


def test_arrays_of_doubles_instead_of_bindata(ingested: Ingested, examined: Examined) -> None:
    change(ingested(), "embedding", lambda stored: values(stored).tolist())

    findings = examined()

    assert complaints(findings) == {"vector type": P}
    assert "array of numbers where the manifest says BinData float32" in (
        findings["vector type"].message
    )


def test_arrays_of_doubles_are_worth_a_warning_elsewhere(
    foreign: Foreign, examined: Examined
) -> None:
    foreign(stored=lambda row: row.tolist())

    findings = examined(path="v")

    assert complaints(findings) == {**FOREIGN, "vector type": W}
    assert "806 bytes a vector where BinData float32 takes 256" in findings["vector type"].message


def test_int8_among_floats(ingested: Ingested, examined: Examined) -> None:
    change(ingested(), "embedding", lambda stored: int8(values(stored) * 127))

    findings = examined()

    assert findings["vector type"].level is P
    assert "57 BinData float32, 3 BinData int8: a query finds only" in (
        findings["vector type"].message
    )


def test_int8_in_a_quantized_index(foreign: Foreign, examined: Examined) -> None:
    foreign(stored=lambda row: int8(row * 127), quantization="scalar")

    findings = examined(path="v")

    assert complaints(findings) == {
        **FOREIGN,
        **dict.fromkeys(("vector type", "indexed documents", "hits"), P),
        "recall": S,
    }
    assert "takes floats only" in findings["vector type"].message


def test_int8_under_binary_quantization_is_well(foreign: Foreign, examined: Examined) -> None:
    foreign(stored=lambda row: int8(row * 127), quantization="binary")

    findings = examined(path="v")

    assert complaints(findings) == FOREIGN
    assert "find their own documents" in findings["hits"].message
    assert findings["quantization"].message == "binary"


def test_bits_under_binary_quantization_are_skipped(foreign: Foreign, examined: Examined) -> None:
    foreign(stored=bits, similarity="euclidean", quantization="binary")

    findings = examined(path="v")

    assert findings["vector type"].level is P
    assert "which takes floats and int8 only" in findings["vector type"].message


@pytest.mark.parametrize("similarity", ["cosine", "dotProduct"])
def test_bits_without_euclidean(foreign: Foreign, examined: Examined, similarity: str) -> None:
    foreign(stored=bits, similarity=similarity)

    findings = examined(path="v")

    assert findings["vector type"].level is P
    assert f"bits under {similarity} are skipped" in findings["vector type"].message
    assert findings["hits"].level is P


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0.1, 0.2", "a str"),
        ([0.1, "0.2"], "an array with elements that are not numbers"),
        (b"\x00" * 256, "binary that is not a vector"),
        (Binary(b"\x27\x00\x00", 9), "not a whole number of floats"),
        (Binary(b"\x99\x00\x00", 9), "the header 99 00"),
        ({"values": [0.1]}, "a dict"),
    ],
)
def test_values_that_are_not_vectors(
    ingested: Ingested, examined: Examined, value: Any, message: str
) -> None:
    change(ingested(), "embedding", value)

    findings = examined()

    assert complaints(findings) == {"vector type": P, "indexed documents": P}
    assert "3 of 60 documents hold" in findings["vector type"].message
    assert message in findings["vector type"].message


def test_a_collection_without_a_single_vector(foreign: Foreign, examined: Examined) -> None:
    foreign(stored=str)

    findings = examined(path="v", text_field="body")

    assert findings["vector type"].level is P
    assert "60 of 60 documents hold a str" in findings["vector type"].message
    for check in ("vector dimensions", "vector variety", "texts", "quantization", "hits"):
        assert findings[check].level is S


@pytest.mark.parametrize(
    "several", [lambda old: [values(old).tolist()] * 2, lambda old: [old, old]]
)
def test_several_vectors_in_one_document(
    ingested: Ingested, examined: Examined, several: Callable[[Any], Any]
) -> None:
    change(ingested(), "embedding", several)

    findings = examined()

    assert "hold several vectors" in findings["vector type"].message
    assert findings["indexed documents"].level is P


def test_one_vector_for_many_documents(foreign: Foreign, examined: Examined) -> None:
    one = float32([1] * 64)
    change(foreign(), "v", one, 20)

    findings = examined(path="v")

    assert complaints(findings) == {**FOREIGN, "vector variety": W}
    assert "20 of 60 vectors are identical" in findings["vector variety"].message


def test_a_large_collection_is_sampled(foreign: Foreign, examined: Examined) -> None:
    collection = foreign()
    collection.update_many({}, {"$set": {"v": float32([0.5] * 32)}})

    findings = examined(path="v", sample=20)

    assert "20 of 20 sampled documents" in findings["vectors"].message
    assert "20 of 20 sampled vectors have 32 dimensions" in findings["vector dimensions"].message


def test_second_vectors_that_are_lost_or_of_another_text(
    ingested: Ingested, examined: Examined
) -> None:
    collection = ingested(precision="binary", beside="int8")
    assert complaints(examined()) == {}
    stored = {c["_id"]: c["embedding_int8"] for c in collection.find()}
    change(collection, "embedding_int8", None)

    lost = examined()["second vectors"]
    for id, value in zip(stored, reversed(stored.values()), strict=True):
        collection.update_one({"_id": id}, {"$set": {"embedding_int8": value}})
    other = examined()["second vectors"]

    assert (lost.level, lost.numbers) == (Severity.PROBLEM, {"unusable": 3})
    assert "have no usable int8 vector at 'embedding_int8'" in lost.message
    assert (other.level, other.numbers) == (Severity.PROBLEM, {"other": 60})
    assert "so hits are rescored by other texts" in other.message
    assert "`leaf-ingest repair --all" in other.message
