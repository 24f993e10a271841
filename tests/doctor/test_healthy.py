"""On a collection in good health the doctor has nothing to say."""

from typing import Any

import numpy as np
import pytest

from leafsearch.doctor import Severity
from leafsearch.doctor.run import CHECKS
from leafsearch.ingest import Document
from leafsearch.vectors.encoders import PROBES
from leaftests.doctor import (
    Examined,
    Foreign,
    Ingested,
    bits,
    complaints,
    float32,
    int8,
)

MODELS = ("manifest", "texts", "teacher", "vocabulary", "student")


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"dimensions": 64},
        {"dimensions": 64, "transform": "pca"},
        {"dimensions": 64, "transform": "pca", "precision": "int8"},
        {"dimensions": 64, "transform": "pca", "precision": "binary"},
        {"precision": "int8"},
        {"precision": "binary", "beside": "int8"},
        {"precision": "binary", "beside": "float32", "dimensions": 64, "transform": "pca"},
        {"precision": "binary"},
        {"quantization": "binary"},
        {"hybrid": True},
        {"filters": ["metadata.n", "metadata.even"]},
    ],
    ids=str,
)
def test_everything_is_ok_in_every_storage_format(
    ingested: Ingested, examined: Examined, choices: dict[str, Any]
) -> None:
    ingested(**choices)

    findings = examined()

    assert complaints(findings) == {}
    assert list(findings) == list(CHECKS)


def test_everything_is_ok_with_real_models(
    ingested: Ingested, examined: Examined, published_pair: tuple[str, str]
) -> None:
    teacher, student = published_pair
    ingested(
        [Document(str(i), text) for i, text in enumerate(PROBES)],
        teacher=teacher,
        student=student,
    )

    findings = examined()

    assert complaints(findings) == {}
    assert findings["teacher"].numbers["cosine"] > 0.99


@pytest.mark.parametrize(
    ("stored", "similarity"),
    [
        (float32, "cosine"),
        (float32, "dotProduct"),
        (lambda row: float32(row * 7), "cosine"),
        (lambda row: int8(row * 127), "cosine"),
        (bits, "euclidean"),
    ],
)
def test_a_collection_of_another_program_needs_no_more_than_it_is_reported(
    foreign: Foreign, examined: Examined, stored: Any, similarity: str
) -> None:
    foreign(stored=stored, similarity=similarity, filters=["n"])

    findings = examined(
        path="v", text_field="body", teacher="hashing:64", student="hashing:64", sample=40
    )

    assert complaints(findings) == {"manifest": Severity.SKIPPED}
    assert "another program wrote it" in findings["manifest"].message


def test_scalar_quantization_is_ok_where_it_costs_little(
    foreign: Foreign, examined: Examined
) -> None:
    rows = np.random.default_rng(3).standard_normal((60, 512))
    foreign(rows=rows, similarity="cosine", quantization="scalar")

    findings = examined(path="v")

    assert complaints(findings) == dict.fromkeys(MODELS, Severity.SKIPPED)
    assert 0.95 <= findings["recall"].numbers["recall"] <= 1


def test_what_needs_models_is_skipped_where_none_is_named(
    foreign: Foreign, examined: Examined
) -> None:
    foreign()

    findings = examined(index="theirs")

    assert complaints(findings) == dict.fromkeys(MODELS, Severity.SKIPPED)
    assert "--text-field" in findings["texts"].message


def test_texts_without_models_are_looked_at_all_the_same(
    foreign: Foreign, examined: Examined
) -> None:
    foreign()

    findings = examined(path="v", text_field="body")

    assert complaints(findings) == dict.fromkeys(
        ("manifest", "teacher", "vocabulary", "student"), Severity.SKIPPED
    )
    assert "--teacher" in findings["teacher"].message
    assert "--student" in findings["student"].message


def test_nothing_is_written(ingested: Ingested, examined: Examined) -> None:
    collection = ingested()
    before = list(collection.find()), list(collection.database.list_collection_names())
    definitions = [i["latestDefinitionVersion"] for i in collection.list_search_indexes()]

    examined()

    assert (list(collection.find()), collection.database.list_collection_names()) == before
    after = [i["latestDefinitionVersion"] for i in collection.list_search_indexes()]
    assert after == definitions
