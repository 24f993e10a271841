"""On vectors that come in tight bunches, where approximate search is hard."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from leafsearch.config import Settings, load
from leafsearch.evaluation import EvalError, SweepOptions, sweep
from leafsearch.ingest import Choices, Document, Rejects, ingest, open_target
from leafsearch.ingest.generations.build import open_rebuild
from leafsearch.ingest.generations.cutover import cut_over
from leafsearch.vectors import load_encoder
from leafsearch.vectors.store import MANIFESTS

SOME = SweepOptions(samples=20)
WORDS = ["oak", "elm", "ash", "fir", "carp", "pike", "eel", "flint", "slate", "marl"]


def silent(line: str) -> None: ...


def documents(count: int) -> Iterator[Document]:
    for n in range(count):
        words = [WORDS[(n * step) % 10] for step in (1, 3, 7, 9)] + [f"word{n % 37}", f"w{n}"]
        yield Document(str(n), " ".join(words))


@pytest.fixture
def settings(database: Database[Any], tmp_path: Any) -> Settings:
    """The settings of a collection of 150 passages with hashed vectors."""
    return ingested(database, tmp_path, "full")


def ingested(
    database: Database[Any],
    folder: Any,
    storage: str,
    count: int = 150,
    choices: Choices = Choices(),  # noqa: B008
) -> Settings:
    pair = {"teacher": "hashing:128", "student": "hashing:128"}
    made = load({}, **pair, storage=storage, database=database.name, collection="c")
    target = open_target(database, made, choices)
    summary = ingest(documents(count), target, rejects=Rejects(folder / "rejects"))
    target.collection.wait_until_ready(summary.last_written, seconds=60, on_status=silent)
    return load({}, database=database.name, collection="c")


def test_formats_come_nearer_to_exact_search_with_more_candidates(
    settings: Settings, client: MongoClient[Any], database: Database[Any]
) -> None:
    report = sweep(client, settings, SweepOptions(samples=10), silent)

    curves = {(c.format.name, c.format.dimensions): c for c in report.curves}
    assert list(curves) == [
        ("as stored", 128),
        ("float32", 64),
        ("float32, rotated", 64),
        ("int8", 128),
        ("int8", 64),
        ("int8, rotated", 64),
        ("bits", 128),
        ("bits, rescored", 128),
        ("bits and int8", 128),
        ("server's scalar", 128),
        ("server's binary", 128),
        ("server's int8", 128),
        ("--bytes 100", 96),
        ("--bytes 200", 128),
        ("--bytes 400", 128),
    ]
    assert [step.candidates for step in report.curves[0].steps] == [10, 20, 50, 100]
    assert {step.overlap for step in curves["as stored", 128].steps} == {1.0}
    for name in ("bits, rescored", "server's binary"):
        overlaps = [step.overlap for step in curves[name, 128].steps]
        assert overlaps[0] < overlaps[-1]
    assert set(database.list_collection_names()) == {"c", MANIFESTS, "leaf_writers"}


def test_the_passage_that_a_sampled_query_comes_from_is_no_hit(
    settings: Settings, client: MongoClient[Any], database: Database[Any]
) -> None:
    """It would be the first hit in every format."""
    report = sweep(client, settings, SweepOptions(samples=40, k=1, most=10), silent)

    encoder = load_encoder("hashing:128")
    rows = encoder.encode_documents([document.text for document in documents(150)])
    bits = np.where(rows > 0, 1, -1)
    wanted, found = (nearest_other(scores) for scores in (rows @ rows.T, bits @ bits.T))
    chunks = random.Random(0).sample(list(database["c"].find().sort("_id", 1)), 40)
    sampled = [int(chunk["document"]) for chunk in chunks]
    same = float(np.mean(wanted[sampled] == found[sampled]))
    (curve,) = [c for c in report.curves if c.format.name == "bits"]
    assert report.curves[0].exact == 1
    assert curve.exact == pytest.approx(same, abs=0.1)  # equal scores are cut anywhere
    assert curve.exact < 0.9


def nearest_other(scores: Any) -> Any:
    return np.argmax(scores - 1000 * np.eye(len(scores)), axis=1)


def test_rotated_vectors_are_asked_by_rotated_queries_in_every_format(
    client: MongoClient[Any], database: Database[Any], tmp_path: Any
) -> None:
    rotated = Choices(dimensions=64, transform="pca")
    settings = ingested(database, tmp_path, "full", 300, rotated)

    report = sweep(client, settings, SweepOptions(samples=20), silent)

    curves = {(c.format.name, c.format.dimensions): c for c in report.curves}
    assert ("as stored", 64) in curves
    assert curves["int8", 64].exact > 0.9
    assert not any("rotated" in name for name, _ in curves)


def test_in_place_writes_nothing_and_measures_what_is_there(
    settings: Settings, client: MongoClient[Any]
) -> None:
    statuses: list[str] = []

    asked = SweepOptions(questions=["oak carp", "flint"], k=3, most=20, in_place=True)
    report = sweep(client, settings, asked, statuses.append)

    (curve,) = report.curves
    assert [step.candidates for step in curve.steps] == [10, 20]
    assert (report.queries, report.sampled, report.k, curve.exact) == (2, False, 3, 1.0)
    assert statuses == [f"measuring {settings.database}.c as stored"]


def test_the_same_passages_are_sampled_every_time(
    settings: Settings, client: MongoClient[Any]
) -> None:
    asked = SweepOptions(samples=5, in_place=True)

    first, second = (sweep(client, settings, asked, silent) for _ in range(2))

    assert [s.overlap for s in first.curves[0].steps] == [s.overlap for s in second.curves[0].steps]
    assert first.sampled


def test_other_formats_cannot_be_made_of_bits(
    client: MongoClient[Any], database: Database[Any], tmp_path: Any
) -> None:
    report = sweep(client, ingested(database, tmp_path, "binary"), SweepOptions(samples=5), silent)

    assert [curve.format.name for curve in report.curves] == ["as stored"]


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.long)])
def test_exact_search_of_bits_rescores_all_of_them(
    client: MongoClient[Any], database: Database[Any], tmp_path: Any, count: int
) -> None:
    """So it is what a step comes to that looks at all of them, and the reference of bits."""
    floats = sweep(client, ingested(database, tmp_path, "full", count=count), SOME, silent)
    database.drop_collection("c")
    database.drop_collection(MANIFESTS)
    bits = sweep(client, ingested(database, tmp_path, "binary", count=count), SOME, silent)

    (rescored,) = [c for c in floats.curves if c.format.name == "bits, rescored"]
    (alone,) = bits.curves
    assert rescored.steps[-1].candidates == alone.steps[-1].candidates == count
    assert rescored.exact == pytest.approx(rescored.steps[-1].overlap)
    overlaps = [step.overlap for step in alone.steps]
    assert overlaps == sorted(overlaps)
    assert alone.exact == overlaps[-1] == 1.0


def test_an_empty_collection_cannot_be_measured(
    settings: Settings, client: MongoClient[Any], database: Database[Any]
) -> None:
    database["c"].delete_many({})

    with pytest.raises(EvalError, match="no text to ask for"):
        sweep(client, settings, SweepOptions(), silent)


def test_a_collection_in_transition_is_measured_by_the_generation_that_answers(
    settings: Settings, client: MongoClient[Any], database: Database[Any], tmp_path: Path
) -> None:
    pair = {"teacher": "hashing:64", "student": "hashing:64"}
    other = load({}, **pair, storage="full", database=database.name, collection="c")
    target = open_rebuild(database, other, Choices())
    ingest(list(documents(150))[:20], target, rejects=Rejects(tmp_path / "rejects"))
    target.ensure_index()

    before = sweep(client, settings, SweepOptions(samples=10, in_place=True), silent)
    cut_over(database, "c", 2, chunk=None, seconds=60, on_status=silent)
    after = sweep(client, settings, SweepOptions(samples=10), silent)

    assert [report.documents for report in (before, after)] == [150, 20]
    assert after.queries == 10
    assert {step.overlap for step in after.curves[0].steps} == {1.0}
    assert [curve.format.dimensions for curve in before.curves] == [128]
    assert {curve.format.dimensions for curve in after.curves} == {64}
