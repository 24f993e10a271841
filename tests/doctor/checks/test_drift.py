"""Whether a transform still fits what is written now, and what a collection would gain by one."""

from typing import Any

import numpy as np
import pytest

from leafsearch.doctor import Severity
from leafsearch.ingest import Document
from leaftests.doctor import Examined, Ingested, complaints

ROTATED: dict[str, Any] = {"dimensions": 32, "transform": "pca"}


def about(words: str, count: int, seed: int) -> list[Document]:
    """Texts of one vocabulary, of 26 words."""
    random = np.random.default_rng(seed)
    vocabulary = [f"{words}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    return [
        Document(f"{words}{seed}-{n}", " ".join(random.choice(vocabulary, size=12)))
        for n in range(count)
    ]


def test_later_documents_of_the_same_kind_are_no_drift(
    ingested: Ingested, examined: Examined
) -> None:
    ingested(about("tree", 300, 1), **ROTATED)
    ingested(about("tree", 100, 2), dimensions=32)

    findings = examined()

    assert complaints(findings) == {}
    drift = findings["drift"]
    assert drift.numbers["texts"] == 64
    assert drift.numbers["kept"] == pytest.approx(drift.numbers["kept_of_sample"], abs=0.05)
    assert "squared length of the 64 most recent texts, and " in drift.message


def test_documents_of_another_kind_lose_neighbours(ingested: Ingested, examined: Examined) -> None:
    ingested(about("tree", 300, 1), **ROTATED)
    ingested(about("engine", 300, 2), dimensions=32)

    drift = examined()["drift"]

    assert drift.level is Severity.WARNING
    assert drift.numbers["kept"] < drift.numbers["kept_of_sample"] - 0.1
    assert drift.numbers["rebuilt"] > drift.numbers["neighbours"] + 0.1
    assert drift.numbers["texts"] == 256
    assert "--rebuild --transform pca" in drift.message
    assert "rebuilds the vectors beside the active ones" in drift.message


def test_a_few_documents_of_another_kind_tell_nothing_yet(
    ingested: Ingested, examined: Examined
) -> None:
    ingested(about("tree", 300, 1), **ROTATED)
    ingested(about("engine", 10, 2), dimensions=32)

    assert complaints(examined()) == {}


def test_what_is_not_known_is_said(ingested: Ingested, examined: Examined) -> None:
    ingested(about("tree", 40, 1), **ROTATED)
    ingested(about("engine", 70, 2), dimensions=32)

    drift = examined()["drift"]

    assert drift.level is Severity.OK
    assert "is not known: expected 128 texts, got 110" in drift.message
    assert "time limit" not in drift.message


def test_a_collection_that_is_only_cut_learns_what_a_transform_gains(
    ingested: Ingested, examined: Examined
) -> None:
    ingested(about("tree", 300, 1), dimensions=32, transform="none")

    findings = examined()

    assert complaints(findings) == {}
    drift = findings["drift"]
    assert drift.numbers["rebuilt"] > drift.numbers["neighbours"] + 0.05
    assert drift.message.startswith("no transform: ")
    assert "--rebuild --transform auto" in drift.message


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({}, "all dimensions are stored"),
        ({"dimensions": 64}, "60 texts are too few"),
        ({"dimensions": 64, "precision": "binary"}, "bits are those of the first dimensions"),
    ],
    ids=str,
)
def test_where_there_is_nothing_to_measure_nothing_is_encoded(
    ingested: Ingested, examined: Examined, choices: dict[str, Any], said: str
) -> None:
    ingested(**choices)

    drift = examined()["drift"]

    assert (drift.level, drift.numbers) == (Severity.OK, {})
    assert said in drift.message
