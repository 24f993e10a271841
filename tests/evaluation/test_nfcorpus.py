"""A part of NFCorpus with the offline model, through the whole path. Not in the repository: it is
looked for in LEAF_TEST_DATA, by default ../shared/data."""

from typing import Any

import numpy as np
import pytest
import pytrec_eval
from pymongo import MongoClient
from pymongo.database import Database

from leafsearch.config import Storage
from leafsearch.evaluation import CachedModel, TestCollection, evaluate, read_collection
from leafsearch.evaluation.judged import Vectors
from leafsearch.evaluation.measures import ranking
from leafsearch.evaluation.replay import ask_all, replay_searcher
from leafsearch.evaluation.trial import trial_collection
from leafsearch.vectors import Rows
from leaftests.evaluation import DATA, silent

_DOCUMENTS = 60
_ZIP = DATA / "nfcorpus.zip"

pytestmark = pytest.mark.skipif(
    not _ZIP.is_file(), reason=f"no {_ZIP}: set LEAF_TEST_DATA to the folder of nfcorpus.zip"
)


@pytest.fixture(scope="module")
def part() -> TestCollection:
    return read_collection(_ZIP).part(_DOCUMENTS)


@pytest.fixture(scope="module")
def models(minilm: str) -> dict[Any, CachedModel]:
    return {
        "teacher": CachedModel(minilm, "teacher", None),
        "student": CachedModel(minilm, "student", None),
    }


@pytest.mark.long
def test_measures_are_those_of_numpy_and_trec_eval(
    part: TestCollection,
    models: dict[Any, CachedModel],
    client: MongoClient[Any],
    database: Database[Any],
) -> None:
    report = evaluate(part, models, client, database.name, silent)

    wanted = by_trec_eval(part, models)
    rows = {(row.format.name, row.format.dimensions): row for row in report.rows}
    float32, bits, again = rows["float32", 384], rows["bits", 384], rows["bits, rescored", 384]
    assert float32.ndcg == pytest.approx(wanted["ndcg_cut_10"], abs=1e-6)
    assert float32.recall == pytest.approx(wanted["recall_100"], abs=1e-6)
    assert rows["int8", 384].ndcg >= 0.99 * float32.ndcg
    assert bits.ndcg < again.ndcg <= float32.ndcg


@pytest.mark.long
def test_exact_search_is_numpy_to_the_last_rank(
    part: TestCollection,
    models: dict[Any, CachedModel],
    client: MongoClient[Any],
    database: Database[Any],
) -> None:
    vectors, questions = Vectors(part, models, silent), list(part.queries.values())
    chunks = [{"_id": p.id, "document": p.id, "position": 0, "hash": b""} for p in part.passages]
    rows = vectors.documents("teacher")
    with trial_collection(database, Storage(dimensions=384), chunks, rows) as collection:
        asked = replay_searcher(client, collection, vectors.queries("student"))
        found = ask_all(asked, questions, k=_DOCUMENTS, exact=True)

    queries = vectors.queries("student").encode_queries(questions)
    assert found == [ranking(scores) for scores in by_numpy(part, rows, queries).values()]


def by_numpy(part: TestCollection, documents: Rows, queries: Rows) -> dict[str, dict[str, float]]:
    cosines = queries @ documents.T
    ids = [p.id for p in part.passages]
    return {
        query: dict(zip(ids, map(float, row), strict=True))
        for query, row in zip(part.queries, cosines, strict=True)
    }


def by_trec_eval(part: TestCollection, models: dict[Any, CachedModel]) -> dict[str, float]:
    judge = pytrec_eval.RelevanceEvaluator(dict(part.judgments), {"ndcg_cut.10", "recall.100"})
    vectors, questions = Vectors(part, models, silent), list(part.queries.values())
    queries = vectors.queries("student").encode_queries(questions)
    measured = judge.evaluate(by_numpy(part, vectors.documents("teacher"), queries))
    return {
        name: float(np.mean([found[name] for found in measured.values()]))
        for name in ("ndcg_cut_10", "recall_100")
    }
