"""Faults that come with size: quantization, memory, recall, time."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database

from leafsearch.config.storage import index_bytes
from leafsearch.doctor import Severity
from leafsearch.doctor.checks.sizes import judge_memory
from leafsearch.doctor.index import IndexEntry
from leafsearch.doctor.sample import StoredVector, read
from leafsearch.doctor.searches import Neighbour, Probe
from leafsearch.ingest import Document
from leafsearch.vectors import ModelRecord, load_student
from leafsearch.vectors.encoders import encode_probe
from leafsearch.vectors.store import StudentFacts, StudentRecord, add_student, read_manifest
from leaftests.doctor import Examined, Foreign, Ingested, complaints, float32, int8, make_index

P, W, S = Severity.PROBLEM, Severity.WARNING, Severity.SKIPPED
FOREIGN = dict.fromkeys(("manifest", "texts", "teacher", "vocabulary", "student"), S)
GB = 10**9


@pytest.mark.long
def test_quantization_is_advised_above_100_000_vectors(
    database: Database[Any], examined: Examined
) -> None:
    rows = np.random.default_rng(8).standard_normal((100_001, 8))
    database["c"].insert_many([{"v": float32(row)} for row in rows])
    field = {"type": "vector", "path": "v", "numDimensions": 8, "similarity": "cosine"}
    make_index(database["c"], "i", field)

    findings = examined(path="v")

    assert complaints(findings) == {**FOREIGN, "quantization": W}
    assert "100,001 vectors of 3.2 MB" in findings["quantization"].message
    assert 'quantization "scalar"' in findings["quantization"].message
    assert "1,000 of 1,000 sampled documents" in findings["vectors"].message


def test_too_few_candidates(foreign: Foreign, examined: Examined) -> None:
    """Signs alone say little, so that many candidates have to be looked at."""
    random = np.random.default_rng(7)
    topics = np.repeat(random.standard_normal((25, 64)), 20, axis=0)
    rows = topics + 0.7 * random.standard_normal((500, 64))
    foreign(rows=rows, quantization="binary")

    findings = examined(path="v", num_candidates=20)

    assert complaints(findings) == {**FOREIGN, "recall": W}
    recall = findings["recall"].numbers
    assert recall["recall"] < 0.95
    assert f"--num-candidates {recall['enough']}" in findings["recall"].message
    enough = examined(path="v", num_candidates=recall["enough"])
    assert complaints(enough) == FOREIGN


def test_quantization_that_costs_too_much_recall_is_a_problem(
    foreign: Foreign, examined: Examined
) -> None:
    # One dimension stretches the range, so that the others fall on few of the 256 values.
    rows = np.random.default_rng(7).standard_normal((3000, 4)) * 0.003
    rows[:, 0] = np.sign(rows[:, 0])
    foreign(rows=rows, quantization="scalar")

    findings = examined(path="v")

    assert findings["recall"].level is P
    assert "another quantization than scalar" in findings["recall"].message


@pytest.mark.parametrize(
    ("needed", "there", "expected"),
    [(1, 16, Severity.OK), (9, 16, W), (15, 16, P), (30, 16, P)],
)
def test_memory(needed: int, there: int, expected: Severity) -> None:
    verdict = judge_memory(needed * GB, there * GB)

    assert verdict.level is expected
    assert f"{needed}.0 GB" in verdict.message


@pytest.mark.parametrize(
    ("precision", "quantization", "expected"),
    [
        ("float32", "none", 4096),
        ("float32", "scalar", 1092),
        ("float32", "binary", 171),
        ("int8", "none", 1024),
        ("binary", "none", 128),
    ],
)
def test_what_a_vector_of_1024_takes_besides_its_share_of_the_graph(
    precision: str, quantization: str, expected: int
) -> None:
    assert round(index_bytes(precision, quantization, 1024)) - 60 == expected


def test_the_time_limit_is_kept_and_what_was_not_reached_is_listed(
    foreign: Foreign, examined: Examined
) -> None:
    foreign()

    findings = examined(path="v", seconds=1e-9)

    assert findings["connection"].level is Severity.OK
    assert findings["search"].level is S
    assert "--seconds" in findings["search"].message


def test_one_document_has_no_neighbours(foreign: Foreign, examined: Examined) -> None:
    foreign(n=1)

    findings = examined(path="v")

    assert complaints(findings) == {**FOREIGN, "recall": S}


def vector(*values: float) -> StoredVector:
    stored = read(float32(values))
    assert isinstance(stored, StoredVector)
    return stored


def entry(similarity: str, quantization: str = "none") -> IndexEntry:
    field = {"type": "vector", "path": "v", "numDimensions": 2, "similarity": similarity}
    definition = {"fields": [{**field, "quantization": quantization}]}
    return IndexEntry.of({"name": "i", "latestDefinition": definition}, "v")


def probe(*hits: Neighbour, stored: StoredVector | None = None) -> Probe:
    return Probe("me", stored or vector(0.6, 0.8), hits)


def test_a_vector_that_does_not_find_itself() -> None:
    assert not probe(Neighbour("a", 0.9)).finds_itself(entry("cosine"))
    assert not probe(*[Neighbour(i, 0.9) for i in range(50)]).finds_itself(entry("cosine"))
    assert probe(Neighbour("a", 1.0), Neighbour("me", 1.0)).finds_itself(entry("cosine"))


def test_a_tie_with_itself_counts_as_found() -> None:
    as_near = [Neighbour(i, 1.0) for i in range(50)]
    longer = [Neighbour(i, 13.0) for i in range(50)]

    assert probe(*as_near).finds_itself(entry("euclidean"))
    assert probe(*longer, stored=vector(3, 4)).finds_itself(entry("dotProduct"))
    stored = read(int8([100, 100]))
    assert isinstance(stored, StoredVector)
    assert probe(*[Neighbour(i, 0.81) for i in range(50)], stored=stored).finds_itself(
        entry("dotProduct")
    )


def test_recall_counts_without_the_vector_itself_and_with_ties() -> None:
    exact = probe(Neighbour("me", 1.0), *[Neighbour(i, 0.9 - i / 100) for i in range(9)], *tied())

    assert (
        exact.recall(
            [
                Neighbour("me", 1.0),
                *[Neighbour(i, 0.9 - i / 100) for i in range(9)],
                Neighbour("t3", 0.8),
            ],
            entry("cosine"),
        )
        == 1.0
    )
    assert exact.recall([Neighbour(i, 0.9 - i / 100) for i in range(5)], entry("cosine")) == 0.5


def test_scores_of_scalar_quantization_are_not_trusted() -> None:
    exact = probe(*[Neighbour(i, 0.9) for i in range(10)], Neighbour("far", 0.1))
    found = [*[Neighbour(i, 0.9) for i in range(9)], Neighbour("far", 0.95)]

    assert exact.recall(found, entry("cosine", "scalar")) == 0.9


def tied() -> list[Neighbour]:
    return [Neighbour(f"t{i}", 0.8) for i in range(5)]


def test_recall_is_measured_with_the_queries_of_each_student(
    database: Database[Any], ingested: Ingested, examined: Examined, tmp_path: Path
) -> None:
    ingested()
    manifest = read_manifest(database, "c")
    model = load_student(manifest.student.name)
    own = StudentRecord(ModelRecord.of(model), 1.0, encode_probe(model), StudentFacts(3.0))
    add_student(database, "c", manifest, "fast", own)
    gone = replace(own, model=replace(own.model, name=str(tmp_path / "gone")))
    add_student(database, "c", manifest, "gone", gone)

    found = examined()["recall"]

    assert found.level is Severity.OK
    default, fast = (found.numbers["students"][name] for name in ("default", "fast"))
    assert (default["recall"], default["factor"], fast["factor"]) == (1.0, 1.0, 3.0)
    assert "student fast: 1.00 with candidates x3" in found.message
    assert "student gone cannot be loaded" in found.message


def test_a_student_that_needs_more_candidates_gets_a_factor(
    ingested: Ingested, examined: Examined
) -> None:
    """Signs alone say little, so that many candidates have to be looked at."""
    topics = [" ".join(f"{chr(97 + t)}{k}" for k in range(24)) for t in range(20)]
    texts = [f"{topics[n % 20]} x{n} y{n}" for n in range(400)]
    ingested([Document(str(n), text) for n, text in enumerate(texts)], quantization="binary")

    # Whole texts find their neighbours already, a few words of them do not yet.
    found = examined(num_candidates=30)["recall"]

    default = found.numbers["students"]["default"]
    assert found.level is W
    assert default["recall"] < 0.95 <= default["enough"]
    assert f"leaf-search students candidates default {default['enough']:g}" in found.message
