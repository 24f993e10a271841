"""What each format keeps on a test collection with judgments."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from pymongo import MongoClient

from leafsearch.evaluation.cached_rows import CachedModel, Milliseconds, OnStatus, Side
from leafsearch.evaluation.collection import BeirPassage, TestCollection
from leafsearch.evaluation.errors import EvalError
from leafsearch.evaluation.formats import (
    Format,
    Role,
    budget_formats,
    formats,
    group_by_collection,
    leave_out,
    sample_of,
)
from leafsearch.evaluation.measures import ndcg, overlap, recall, reciprocal_rank
from leafsearch.evaluation.replay import (
    Remembered,
    ask_all,
    ask_each,
    find_deep,
    rank_with_ties,
    replay_searcher,
)
from leafsearch.evaluation.report import Judged, Report
from leafsearch.evaluation.trial import measure_sizes, trial_collection
from leafsearch.vectors import CodecError, Collection, IndexSkips, Rows
from leafsearch.vectors.store import Sample

_SHOWN, _DEEP = 10, 100  # ranks


class Vectors:
    """Rows of documents and queries by who encoded them, each encoded when first asked for."""

    def __init__(
        self, test: TestCollection, models: Mapping[Role, CachedModel], on_status: OnStatus
    ) -> None:
        self._texts = [p.encoded for p in test.passages]
        self._questions = list(test.queries.values())
        self._models = models
        self._on_status = on_status
        self._kept: dict[tuple[Role, Side], Rows] = {}

    def documents(self, role: Role) -> Rows:
        return self._rows(role, "documents")

    def queries(self, role: Role) -> Remembered:
        return Remembered(self._questions, self._rows(role, "queries"))

    def sample(self) -> Sample:
        return sample_of(
            self.documents("teacher"),
            self._texts,
            lambda queries: self._models["student"].encode(queries, "queries", self._on_status),
        )

    def _rows(self, role: Role, side: Side) -> Rows:
        if (role, side) not in self._kept:
            texts = self._texts if side == "documents" else self._questions
            self._kept[role, side] = self._models[role].encode(texts, side, self._on_status)
        return self._kept[role, side]


def evaluate(
    test: TestCollection,
    models: Mapping[Role, CachedModel],
    client: MongoClient[Any],
    database: str,
    on_status: OnStatus,
    *,
    known: Sequence[Judged] = (),
    on_row: Callable[[Judged], None] = lambda row: None,
) -> Report:
    """Raises EvalError if the models do not fit together, and what writing and searching raise.

    `known` rows of an earlier run are not measured again; `on_row` is called with each new one.
    """
    started = time.monotonic()
    vectors = Vectors(test, models, on_status)
    compared = formats(_dimensions(vectors, models), one_model=one_model(models))
    compared += budget_formats(vectors.sample())
    chunks = [chunk_of(p) for p in test.passages]
    rows = [row for row in known if row.format in compared]
    left_out: list[str] = []
    measured = {row.format for row in rows}
    for group in group_by_collection([f for f in compared if f not in measured]):
        first = group[0]
        on_status(f"measuring {first.dimensions} x {first.name}")
        documents = vectors.documents(first.documents)
        trial = trial_collection(
            client[database],
            first.storage,
            chunks,
            documents,
            transform=first.transform,
        )
        try:
            with trial as collection:
                for format in group:
                    rows.append(_judged(format, test, vectors, client, collection))
                    on_row(rows[-1])
        except (CodecError, IndexSkips) as error:
            left_out.append(leave_out(group, error))
            on_status(left_out[-1])
    rows.sort(key=lambda row: compared.index(row.format))
    best = max((row.ndcg for row in rows), default=1.0) or 1.0
    return Report(
        collection=test.name,
        documents=len(test.passages),
        queries=len(test.queries),
        models={role: f"{m.name} at {m.revision}" for role, m in models.items()},
        encoding=_encoding(compared, models, list(test.queries.values())),
        warnings=[*test.warnings, *left_out],
        rows=[replace(row, of_best=row.ndcg / best) for row in rows],
        seconds=round(time.monotonic() - started, 1),
    )


def one_model(models: Mapping[Role, CachedModel]) -> bool:
    teacher, student = models["teacher"], models["student"]
    return (teacher.name, teacher.revision) == (student.name, student.revision)


def _dimensions(vectors: Vectors, models: Mapping[Role, CachedModel]) -> int:
    """Queries take a moment, and show before the corpus whether a pair fits."""
    student = vectors.queries("student").dimensions
    teacher = student if one_model(models) else vectors.queries("teacher").dimensions
    if teacher != student:
        raise EvalError(
            f"teacher {models['teacher'].name} gives {teacher} dimensions and student "
            f"{models['student'].name} {student}; expected a student distilled from it"
        )
    return student


def _encoding(
    compared: Sequence[Format], models: Mapping[Role, CachedModel], questions: Sequence[str]
) -> dict[Role, Milliseconds]:
    roles = dict.fromkeys(format.queries for format in compared)
    found = {role: models[role].latency(questions) for role in roles}
    return {role: latency for role, latency in found.items() if latency}


def _judged(
    format: Format,
    test: TestCollection,
    vectors: Vectors,
    client: MongoClient[Any],
    collection: Collection,
) -> Judged:
    asked = replay_searcher(client, collection, vectors.queries(format.queries))
    questions, ids = list(test.queries.values()), list(test.queries)
    options = {} if format.rescore is None else {"rescore": format.rescore}
    own = 1 if test.has_queries_among_documents else 0
    shown = ask_each(asked, questions, k=_SHOWN + own, **options)
    deep = find_deep(asked, questions, _DEEP + own, **options)
    exact = without_own(ask_all(asked, questions, k=_SHOWN + own, exact=True, **options), ids)
    found = without_own(shown.rankings, ids)
    ranked = without_own(map(rank_with_ties, shown.found, deep), ids)
    all = without_own((rank_with_ties(hits[: _DEEP + own], hits) for hits in deep), ids)
    grades = [test.judgments[id] for id in ids]
    return Judged(
        format=format,
        ndcg=_mean(ndcg, ranked, grades, _SHOWN),
        mrr=_mean(reciprocal_rank, ranked, grades, _SHOWN),
        recall=_mean(recall, all, grades, _DEEP),
        overlap=fmean(overlap(f[:_SHOWN], e[:_SHOWN]) for f, e in zip(found, exact, strict=True)),
        sizes=measure_sizes(collection),
        latency=shown.latency,
    )


def without_own(rankings: Iterable[Sequence[str]], queries: Sequence[str]) -> list[list[str]]:
    """Rankings without the hit that has the query's own id, as BEIR's evaluator judges them.

    Where queries are documents of the collection (ArguAna), each finds itself first.
    """
    pairs = zip(rankings, queries, strict=True)
    return [[id for id in ranked if id != query] for ranked, query in pairs]


def _mean(measure: Any, rankings: Sequence[Sequence[str]], grades: Sequence[Any], k: int) -> float:
    return fmean(measure(r, g, k) for r, g in zip(rankings, grades, strict=True))


def chunk_of(passage: BeirPassage) -> dict[str, Any]:
    """The stored form of a document of one chunk, as ingest writes it."""
    return {
        "_id": passage.id,
        "document": passage.id,
        "position": 0,
        "text": passage.text,
        "metadata": {"title": passage.title},
        "hash": bytes(16),
    }
