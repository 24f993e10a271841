"""Measure hybrid search: fusions, normalisations and analyzers, through MongoDB.

    .venv/bin/python -m benchmarks.fusion [--small] [--json FILE]

NFCorpus, Vaswani (in the folder LEAF_TEST_DATA, default ../shared/data; a missing one is skipped)
and Python's language reference with its questions, the offline preset's teacher and student, in a
local MongoDB of the benchmark's own. Each search goes the way of every search. The difference
between the fusions comes with its 95 % interval by paired bootstrap over the questions. --small has
60 documents of each; its figures mean nothing.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import tantivy
from benchmarks.measuring import Spread, circumstances
from benchmarks.python_reference import ROOT, questions
from benchmarks.quality import collections
from pymongo import MongoClient

from leafmongo import LocalDeployment
from leafmongo.engine.text.analyzers import tokenizer
from leafsearch.config import PRESETS, Storage, load
from leafsearch.config.storage import IndexTuning
from leafsearch.evaluation import CachedModel, TestCollection
from leafsearch.evaluation.judged import Vectors, chunk_of
from leafsearch.evaluation.measures import Grades, ndcg
from leafsearch.evaluation.replay import Remembered, replay_searcher
from leafsearch.evaluation.trial import trial_collection
from leafsearch.ingest import Choices, Corpus, Rejects, ingest, open_target
from leafsearch.ingest.target.reconcile import reconcile
from leafsearch.search import Hit, Searcher
from leafsearch.vectors import Collection, connect

ANALYZERS = ("lucene.standard", "lucene.english")
WAYS: dict[str, dict[str, Any]] = {
    "vectors alone": {},
    "words alone": {"hybrid": True, "weights": (0, 1)},
    "rrf": {"hybrid": "rrf"},
    "score, minmax": {"hybrid": "score"},
    "score, minmax 0.4:0.6": {"hybrid": "score", "weights": (0.4, 0.6)},
    "score, minMaxScaler": {"hybrid": "score", "normalization": "minMaxScaler"},
    "score, sigmoid": {"hybrid": "score", "normalization": "sigmoid"},
    "score, none": {"hybrid": "score", "normalization": "none"},
}
COMPARED = ("score, minmax", "rrf")
_TIMES = 2000  # bootstrap samples
_K = 10


@dataclass(frozen=True)
class Task:
    """Questions on a collection, and what each ranking is worth."""

    name: str
    measure: str
    collection: Collection
    questions: list[str]
    judged: list[Grades]
    encoders: dict[str, Remembered]
    texts: list[str]

    def value(self, hits: Sequence[Hit], grades: Grades) -> float:
        if self.measure == "success@5":
            return float(any(hit.document in grades for hit in hits[:5]))
        return ndcg([hit.document for hit in hits], grades, _K)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="60 documents of each")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    about = circumstances("numpy", "onnxruntime", "pymongo", "sentence-transformers", "tantivy")
    rows: list[dict[str, Any]] = []
    costs: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory(prefix="leaf-", dir="/tmp") as folder,
        LocalDeployment(Path(folder, "home")) as deployment,
        connect(deployment.uri) as client,
    ):
        for task in tasks(client, Path(folder), given.small):
            print(f"\n{task.name}: {len(task.questions)} questions, {task.measure}\n", flush=True)
            for analyzer in ANALYZERS:
                collection, cost = with_words(task, analyzer)
                costs.append(cost)
                found = list(measured(client, replace(task, collection=collection), analyzer))
                rows += found
                print_table(found)
    print_summary(rows, costs)
    if given.json:
        values = [{k: v for k, v in row.items() if k != "values"} for row in rows]
        given.json.write_text(
            json.dumps(
                {
                    **about,
                    "small": given.small,
                    "results": values,
                    "words": costs,
                    "differences": differences(rows),
                },
                indent=2,
            )
        )


def tasks(client: MongoClient[Any], folder: Path, small: bool) -> Iterator[Task]:
    for test in collections(small):
        with judged_task(test, client) as task:
            yield task
    yield reference_task(client, folder, small)


@contextmanager
def judged_task(test: TestCollection, client: MongoClient[Any]) -> Iterator[Task]:
    vectors = Vectors(test, models(), lambda line: print(line, file=sys.stderr))
    chunks = [chunk_of(passage) for passage in test.passages]
    documents = vectors.documents("teacher")
    with trial_collection(client["leaf"], Storage(), chunks, documents) as collection:
        yield Task(
            test.name,
            f"nDCG@{_K}",
            collection,
            list(test.queries.values()),
            [test.judgments[id] for id in test.queries],
            {role: vectors.queries(role) for role in ("teacher", "student")},
            [f"{p.title} {p.text}" for p in test.passages],
        )


def reference_task(client: MongoClient[Any], folder: Path, small: bool) -> Task:
    lines = subprocess.run(
        [ROOT / "scripts/python-reference"], capture_output=True, text=True, check=True
    ).stdout.splitlines(keepends=True)
    corpus = folder / "corpus.jsonl"
    corpus.write_text("".join(lines[:8] if small else lines))
    settings = load({}, preset="offline", collection="reference", storage="full")
    target = open_target(client[settings.database], settings, Choices())
    ingest(Corpus([str(corpus)]).records(), target, rejects=Rejects(folder / "rejects"))
    target.ensure_index()
    asked = questions()
    texts = [question["question"] for question in asked]
    return Task(
        "Python's reference",
        "success@5",
        target.collection,
        texts,
        [dict.fromkeys(question["topics"], 1) for question in asked],
        {
            role: Remembered(texts, model.encode(texts, "queries", lambda line: None))
            for role, model in models().items()
        },
        [chunk["text"] for chunk in target.collection.mongo.find({}, {"text": 1})],
    )


def models() -> dict[Any, CachedModel]:
    pair = PRESETS["offline"]
    return {
        "teacher": CachedModel(pair.teacher, "teacher"),
        "student": CachedModel(pair.student, "student"),
    }


def with_words(task: Task, analyzer: str) -> tuple[Collection, dict[str, Any]]:
    """The collection with a text index of this analyzer, and what the index costs."""
    mongo = task.collection.mongo
    started = time.monotonic()
    collection = reconcile(
        mongo.database,
        mongo.name,
        replace(task.collection.manifest, hybrid=True),
        tuning=IndexTuning(text_analyzer=analyzer),
    )
    collection.wait_until_ready(None, seconds=600, on_status=lambda status: None)
    stored = sum(
        part["storageStats"]["size"]
        for part in mongo.aggregate([{"$collStats": {"storageStats": {}}}])
    )
    documents = len(task.texts)
    return collection, {
        "task": task.name,
        "analyzer": analyzer,
        "build_seconds": round(time.monotonic() - started, 2),
        "text_bytes": round(fmean(len(text.encode()) for text in task.texts)),
        "document_bytes": round(stored / documents),
        "words_bytes": round(index_bytes(task.texts, analyzer) / documents),
    }


def index_bytes(texts: Sequence[str], analyzer: str) -> int:
    """Bytes of an index on disk with positions, which Lucene stores by default; by tantivy."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("text", tokenizer_name="words", index_option="position")
    with tempfile.TemporaryDirectory() as folder:
        index = tantivy.Index(builder.build(), path=folder)
        index.register_tokenizer("words", tokenizer(analyzer))
        writer = index.writer(15_000_000, 1)
        for text in texts:
            writer.add_document(tantivy.Document(text=text))
        writer.commit()
        writer.wait_merging_threads()
        return sum(file.stat().st_size for file in Path(folder).iterdir())


def measured(client: MongoClient[Any], task: Task, analyzer: str) -> Iterator[dict[str, Any]]:
    for role, encoder in task.encoders.items():
        searcher = replay_searcher(client, task.collection, encoder)
        for name, options in WAYS.items():
            if name == "vectors alone" and analyzer != ANALYZERS[0]:
                continue
            values, milliseconds = asked(searcher, task, options)
            yield {
                "task": task.name,
                "analyzer": analyzer,
                "student": role,
                "fusion": name,
                "measure": task.measure,
                "mean": round(fmean(values), 4),
                "milliseconds": asdict(Spread.of(milliseconds)),
                "values": values,
            }


def asked(
    searcher: Searcher, task: Task, options: dict[str, Any]
) -> tuple[list[float], list[float]]:
    searcher.search(task.questions[0], k=_K, **options)
    values, milliseconds = [], []
    for question, grades in zip(task.questions, task.judged, strict=True):
        start = time.perf_counter()
        hits = searcher.search(question, k=_K, **options)
        milliseconds.append(round((time.perf_counter() - start) * 1e3, 3))
        values.append(task.value(hits, grades))
    return values, milliseconds


def differences(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare the two fusions, for every student with each analyzer."""
    found = []
    by_case: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for row in rows:
        case = (row["task"], row["analyzer"], row["student"])
        by_case.setdefault(case, {})[row["fusion"]] = row["values"]
    for (task, analyzer, student), values in by_case.items():
        first, second = (np.array(values[name]) for name in COMPARED)
        low, high = interval(first - second)
        found.append(
            {
                "task": task,
                "analyzer": analyzer,
                "student": student,
                "difference": round(float((first - second).mean()), 4),
                "of_the_second": round(float(first.mean() / (second.mean() or 1) - 1), 4),
                "low": low,
                "high": high,
            }
        )
    return found


def interval(differences: np.ndarray) -> tuple[float, float]:
    """95 %, by paired bootstrap."""
    chosen = np.random.default_rng(0).integers(0, len(differences), (_TIMES, len(differences)))
    low, high = np.percentile(differences[chosen].mean(axis=1), [2.5, 97.5])
    return round(float(low), 4), round(float(high), 4)


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    print(f"| {rows[0]['analyzer']} | teacher | student | ms |\n|---|---|---|---|")
    for name in dict.fromkeys(row["fusion"] for row in rows):
        teacher, student = (row for row in rows if row["fusion"] == name)
        milliseconds = student["milliseconds"]["median"]
        print(f"| {name} | {teacher['mean']:.4f} | {student['mean']:.4f} | {milliseconds:.1f} |")
    print(flush=True)


def print_summary(rows: Sequence[dict[str, Any]], costs: Sequence[dict[str, Any]]) -> None:
    print(f"{COMPARED[0]} against {COMPARED[1]}, with the 95 % interval of the difference\n")
    print("| | analyzer | student | difference | of it | interval |\n|---|---|---|---|---|---|")
    for row in differences(rows):
        print(
            f"| {row['task']} | {row['analyzer']} | {row['student']} | {row['difference']:+.4f} "
            f"| {row['of_the_second']:+.1%} | {row['low']:+.4f} to {row['high']:+.4f} |"
        )
    print("\n| | analyzer | text | document | words index | share | build s |")
    print("|---|---|---|---|---|---|---|")
    for cost in costs:
        share = cost["words_bytes"] / cost["document_bytes"]
        print(
            f"| {cost['task']} | {cost['analyzer']} | {cost['text_bytes']:,} B "
            f"| {cost['document_bytes']:,} B | {cost['words_bytes']:,} B | {share:.0%} "
            f"| {cost['build_seconds']} |"
        )


if __name__ == "__main__":
    main()
