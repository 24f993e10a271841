import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import pytrec_eval
from pymongo import MongoClient
from pymongo.database import Database

from leafsearch.config import Storage
from leafsearch.evaluation import CachedModel, EvalError, evaluate, read_collection
from leafsearch.evaluation.formats import Format, budget_formats, distinct, formats, sample_of
from leafsearch.evaluation.replay import Remembered, ask_all, ask_each, replay_searcher
from leafsearch.evaluation.trial import measure_sizes, trial_collection
from leafsearch.vectors import Codec, load_encoder
from leafsearch.vectors.encoders import unit_rows
from leafsearch.vectors.encoders.base import Rows
from leafsearch.vectors.store import MANIFESTS, TRANSFORMS, choose_form_by_bytes, fit_transform
from leaftests.evaluation import Written, silent

DOCUMENTS, QUERIES, DIMENSIONS = 300, 20, 64
QUESTIONS = [f"question {n}" for n in range(QUERIES)]


def rows(count: int, seed: int) -> Rows:
    return unit_rows(np.random.default_rng(seed).standard_normal((count, DIMENSIONS)))


def chunks() -> list[dict[str, Any]]:
    return [
        {"_id": f"d{n:03}", "document": f"d{n:03}", "position": 0, "hash": b""}
        for n in range(DOCUMENTS)
    ]


STORAGES = {
    "float32": Storage(dimensions=64),
    "truncated": Storage(dimensions=32),
    "int8": Storage(dimensions=64, precision="int8"),
    "bits": Storage(dimensions=64, precision="binary"),
    "scalar": Storage(dimensions=64, quantization="scalar"),
    "binary": Storage(dimensions=64, quantization="binary"),
}


@pytest.mark.parametrize("name", STORAGES)
def test_exact_search_is_numpy_to_the_last_rank(
    name: str, database: Database[Any], client: MongoClient[Any]
) -> None:
    storage, documents, queries = STORAGES[name], rows(DOCUMENTS, 1), rows(QUERIES, 2)
    with trial_collection(database, storage, chunks(), documents) as collection:
        asked = replay_searcher(client, collection, Remembered(QUESTIONS, queries))
        found = ask_all(asked, QUESTIONS, k=DOCUMENTS, exact=True, rescore=0)

    assert found == by_numpy(collection.manifest.codec, documents, queries, name == "bits")


def test_bits_re_scored_are_the_float_query_against_the_stored_bits(
    database: Database[Any], client: MongoClient[Any]
) -> None:
    documents, queries = rows(DOCUMENTS, 1), rows(QUERIES, 2)
    with trial_collection(database, STORAGES["bits"], chunks(), documents) as collection:
        asked = replay_searcher(client, collection, Remembered(QUESTIONS, queries))
        found = ask_all(asked, QUESTIONS, k=DOCUMENTS, exact=True)

    codec = collection.manifest.codec
    cosines = queries @ codec.expand(codec.compress(documents)).T
    assert found == [ranked(row) for row in cosines]


def by_numpy(codec: Codec, documents: Rows, queries: Rows, bits: bool) -> list[list[str]]:
    """The cosine of what is stored; of bits it rises with the share of equal ones."""
    cosines = codec.expand(codec.compress(queries)) @ codec.expand(codec.compress(documents)).T
    return [ranked(np.round(row, 6) if bits else row) for row in cosines]


def ranked(scores: Any) -> list[str]:
    return [f"d{n:03}" for n in sorted(range(DOCUMENTS), key=lambda n: (-scores[n], -n))]


def test_one_after_the_other_and_all_at_once_find_the_same(
    database: Database[Any], client: MongoClient[Any]
) -> None:
    with trial_collection(database, STORAGES["int8"], chunks(), rows(DOCUMENTS, 1)) as collection:
        asked = replay_searcher(client, collection, Remembered(QUESTIONS, rows(QUERIES, 2)))

        answers = ask_each(asked, QUESTIONS, k=10)

        assert answers.rankings == ask_all(asked, QUESTIONS, k=10)
        assert 0 < answers.latency.p50 <= answers.latency.p95


def test_sizes_are_of_the_stored_vector_the_whole_document_and_the_index(
    database: Database[Any],
) -> None:
    with trial_collection(database, STORAGES["int8"], chunks(), rows(DOCUMENTS, 1)) as collection:
        found = measure_sizes(collection)

        assert found.vector == 2 + DIMENSIONS
        assert found.document == pytest.approx(bson_size(collection), abs=0.1)
        assert found.index is None or found.index >= DIMENSIONS


def bson_size(collection: Any) -> float:
    (group,) = collection.mongo.aggregate(
        [{"$group": {"_id": None, "mean": {"$avg": {"$bsonSize": "$$ROOT"}}}}]
    )
    return float(group["mean"])


@pytest.mark.parametrize("broken", [False, True])
def test_nothing_is_left_behind(database: Database[Any], broken: bool) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_while_stored(database, broken)

    assert [n for n in database.list_collection_names() if n != MANIFESTS] == []
    assert database[MANIFESTS].count_documents({}) == 0


def fail_while_stored(database: Database[Any], broken: bool) -> None:
    with trial_collection(database, STORAGES["bits"], chunks(), rows(DOCUMENTS, 1)) as collection:
        if broken:
            collection.mongo.drop()
        raise ZeroDivisionError


def test_the_forms_that_ingest_would_choose_within_so_many_bytes() -> None:
    documents = rows(DOCUMENTS, 1)
    sample = sample_of(documents, [f"text {n} of some words" for n in range(DOCUMENTS)], asked)

    found = budget_formats(sample)

    assert [format.name for format in found] == ["--bytes 100", "--bytes 200"]
    assert {format.series for format in found} == {"--bytes"}
    assert distinct([*found, *found]) == [*found, *found]
    same = [replace(format, name="float32") for format in found]
    assert distinct([*found, *same]) == same
    for format, most in zip(found, (100, 200), strict=True):
        assert format.form == choose_form_by_bytes(sample, most, "auto").form
        assert format.form.bytes <= most


def asked(texts: Sequence[str]) -> Rows:
    return rows(len(texts), 3)


def test_the_formats_of_a_pair_and_of_one_model() -> None:
    pair = [(f.name, f.dimensions) for f in formats(256, one_model=False)]

    assert pair == [
        ("teacher alone", 256),
        ("student alone", 256),
        ("float32", 256),
        ("float32", 192),
        ("float32, rotated", 192),
        ("float32", 128),
        ("float32, rotated", 128),
        ("float32", 64),
        ("float32, rotated", 64),
        ("int8", 256),
        ("int8", 192),
        ("int8, rotated", 192),
        ("int8", 128),
        ("int8, rotated", 128),
        ("int8", 64),
        ("int8, rotated", 64),
        ("bits", 256),
        ("bits, rescored", 256),
        ("bits and int8", 256),
        ("server's scalar", 256),
        ("server's binary", 256),
        ("server's int8", 256),
    ]
    assert [(f.name, f.dimensions) for f in formats(256, one_model=True)] == pair[2:]
    assert [f.dimensions for f in formats(1024, one_model=True)][:3] == [1024, 512, 512]
    names = {f.name for f in formats(100, one_model=True)}
    assert {name.partition(",")[0] for name in names} == {"float32", "int8", "server's scalar"}


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_rotated_rows_are_what_ingest_would_store(
    precision: Any, database: Database[Any], client: MongoClient[Any]
) -> None:
    storage, documents, queries = (
        Storage(dimensions=32, precision=precision),
        rows(DOCUMENTS, 1),
        rows(QUERIES, 2),
    )
    with trial_collection(database, storage, chunks(), documents, transform="pca") as collection:
        asked = replay_searcher(client, collection, Remembered(QUESTIONS, queries))
        found = ask_all(asked, QUESTIONS, k=10, exact=True)

    assert TRANSFORMS not in database.list_collection_names()
    transform = fit_transform(documents, 32)
    codec = Codec.calibrate(32, precision, documents, transform)
    assert collection.manifest.codec == codec
    stored = codec.expand(codec.compress(documents))
    sent = codec.expand(codec.encode(codec.project_queries(queries)))
    assert found == [ranked(row)[:10] for row in sent @ stored.T]


@pytest.mark.usefixtures("own_cache")
def test_a_format_that_leaves_nothing_of_a_vector_is_left_out_with_the_reason(
    written: Written, client: MongoClient[Any], database: Database[Any]
) -> None:
    encoder = load_encoder("hashing:128")
    words = [f"word{n}" for n in range(200)]
    kept = np.abs(encoder.encode_documents(words)[:, :64]).sum(axis=1)
    lost = words[int(np.argmin(kept))]
    assert kept.min() == 0
    test = read_collection(written({"a": lost, "b": "oak elm"}, {"q": lost}, ["q a 1"]))
    models = {role: CachedModel("hashing:128", role, None) for role in ("teacher", "student")}
    lines: list[str] = []

    report = evaluate(test, models, client, database.name, lines.append)

    names = {(row.format.name, row.format.dimensions) for row in report.rows}
    assert {("float32", 128), ("int8", 128)} <= names
    assert not {("float32", 64), ("int8", 64)} & names
    left_out = [line for line in report.warnings if line.startswith("64 x float32 left out: ")]
    assert "only zeros" in left_out[0]
    assert left_out[0] in lines


@pytest.mark.usefixtures("own_cache")
def test_the_measures_of_a_small_collection(
    trees: Path, client: MongoClient[Any], database: Database[Any]
) -> None:
    models = {
        "teacher": CachedModel("hashing:128", "teacher", None),
        "student": CachedModel("hashing:128", "student", None),
    }

    report = evaluate(read_collection(trees), models, client, database.name, silent)

    first = report.rows[0]
    assert (report.documents, report.queries) == (5, 3)
    assert (first.format.name, first.ndcg, first.recall, first.mrr) == ("float32", 1, 1, 1)
    assert first.of_best == 1
    assert first.sizes.vector == 2 + 4 * 128
    assert {row.overlap for row in report.rows if row.format.storage.quantization == "none"} == {1}
    assert set(report.encoding) == {"student"}
    assert list(database.list_collection_names()) in ([], [MANIFESTS])


WORDS = ["oak", "elm", "ash", "sea", "bay", "tide", "pump", "valve", "seal", "rod", "lid"]


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("seed", range(3))
def test_measures_are_those_of_beir(
    written: Written, client: MongoClient[Any], database: Database[Any], seed: int
) -> None:
    """Grades from -2 to 2, documents without a judgment, judgments of documents that are missing,
    queries with nothing relevant, queries that are documents, and many equal scores."""
    chance = random.Random(seed)
    texts = {f"d{n}": " ".join(chance.choices(WORDS, k=4)) for n in range(150)}
    texts |= {f"e{n}": texts[f"d{n}"] for n in range(0, 150, 3)}
    queries = {id: texts[id] for id in list(texts)[:12]} | {"q1": "oak sea pump", "q2": "lid"}
    grades = {
        q: {d: chance.randint(-2, 2) for d in chance.sample(list(texts), 60)} for q in queries
    }
    grades["d0"] |= {"d0": 2, "missing": 1}
    grades["q2"] = {"d1": 0, "d2": -1}
    judgments = [f"{q} {d} {g}" for q, found in grades.items() for d, g in found.items()]
    test = read_collection(written(texts, queries, judgments))
    models = {role: CachedModel("hashing:128", role, None) for role in ("teacher", "student")}

    report = evaluate(test, models, client, database.name, silent)

    assert "12 queries have the id of a document" in " ".join(report.warnings)
    assert "1 query has no relevant document; counted as 0" in " ".join(report.warnings)
    rows = {(row.format.name, row.format.dimensions): row for row in report.rows}
    for name in ("float32", "int8", "bits", "bits, rescored"):
        row = rows[name, 128]
        ndcg, recall, mrr = by_beir(grades, searched(row.format, texts, queries, client, database))
        assert row.ndcg == pytest.approx(ndcg, abs=1e-6)
        assert row.recall == pytest.approx(recall, abs=1e-6)
        assert row.mrr == pytest.approx(mrr, abs=1e-6)
        assert row.overlap == 1


def searched(
    format: Format,
    texts: dict[str, str],
    queries: dict[str, str],
    client: MongoClient[Any],
    database: Database[Any],
) -> dict[str, dict[str, float]]:
    """All documents for each query, without the one that has its id."""
    encoder = load_encoder("hashing:128")
    chunks = [{"_id": id, "document": id, "position": 0, "hash": b""} for id in texts]
    documents = encoder.encode_documents(list(texts.values()))
    rescore = {} if format.rescore is None else {"rescore": format.rescore}
    with trial_collection(database, format.storage, chunks, documents) as collection:
        asked = replay_searcher(client, collection, encoder)
        found = asked.search_many(list(queries.values()), k=len(texts), exact=True, **rescore)
    return {
        query: {hit.id: hit.similarity for hit in hits if hit.id != query}
        for query, hits in zip(queries, found, strict=True)
    }


def by_beir(
    grades: dict[str, dict[str, int]], results: dict[str, dict[str, float]]
) -> tuple[float, float, float]:
    """nDCG@10, recall@100 and MRR@10 as its evaluator computes them."""
    judge = pytrec_eval.RelevanceEvaluator(grades, {"ndcg_cut.10", "recall.100", "recip_rank"})
    found = judge.evaluate(results).values()
    ranks = (m["recip_rank"] for m in found)
    return (
        fmean(m["ndcg_cut_10"] for m in found),
        fmean(m["recall_100"] for m in found),
        fmean(rank if rank > 1 / 10.5 else 0 for rank in ranks),
    )


def test_teacher_and_student_are_measured_alone_and_together(
    trees: Path,
    client: MongoClient[Any],
    database: Database[Any],
    published_pair: tuple[str, str],
) -> None:
    teacher, student = published_pair
    models = {
        "teacher": CachedModel(teacher, "teacher", None),
        "student": CachedModel(student, "student", None),
    }

    report = evaluate(read_collection(trees), models, client, database.name, silent)

    assert [row.format.name for row in report.rows[:3]] == [
        "teacher alone",
        "student alone",
        "float32",
    ]
    assert set(report.encoding) == {"teacher", "student"}
    assert json.dumps(report.models).count("sha256:") == 2


@pytest.mark.usefixtures("own_cache")
def test_a_pair_with_other_dimensions_is_reported_before_the_corpus_is_encoded(
    trees: Path, client: MongoClient[Any], database: Database[Any]
) -> None:
    models = {
        "teacher": CachedModel("hashing:64", "teacher", None),
        "student": CachedModel("hashing:128", "student", None),
    }
    statuses: list[str] = []

    with pytest.raises(EvalError, match="gives 64 dimensions and student hashing:128 128"):
        evaluate(read_collection(trees), models, client, database.name, statuses.append)

    assert not any("documents" in line for line in statuses)
