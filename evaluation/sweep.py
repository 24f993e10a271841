"""What a collection without judgments can tell: how near approximate search comes to exact.

The measure is the overlap with exact search on the vectors as they are stored, at growing
numCandidates: for the collection as stored, and for the other formats its vectors could be kept in.
"""

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pymongo import MongoClient

from leafsearch.config import Settings, Storage
from leafsearch.config.hint import hint
from leafsearch.evaluation.cached_rows import OnStatus
from leafsearch.evaluation.errors import EvalError
from leafsearch.evaluation.formats import Format, derived_formats, group_by_collection
from leafsearch.evaluation.measures import overlap
from leafsearch.evaluation.replay import Remembered, ask_all, ask_each, replay_searcher
from leafsearch.evaluation.report import Curve, Step, SweepReport
from leafsearch.evaluation.trial import measure_sizes, trial_collection
from leafsearch.search import MOST_CANDIDATES, Searcher
from leafsearch.search.session import open_collection, perform
from leafsearch.vectors import Collection, Manifest, ModelRecord, Rows, explain_errors

_STEPS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
_WORDS = 12  # of a sampled passage that make a question


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """`questions` None are sampled; `in_place` measures nothing but what is there."""

    questions: Sequence[str] | None = None
    samples: int = 50
    k: int = 10
    most: int = 1000
    in_place: bool = False


def sweep(
    client: MongoClient[Any], settings: Settings, asked: SweepOptions, on_status: OnStatus
) -> SweepReport:
    """Raises EvalError if there is nothing to ask, and what opening and searching raise."""
    started = time.monotonic()
    opened = perform(open_collection(settings), client[settings.database])
    if opened.is_in_place:
        source, other = f"mongodb:{opened.full_name}", f"{opened.collection}_chunks"
        raise EvalError(
            f"{opened.full_name} has its vectors in place; expected a collection of chunks. "
            f"Create one with {hint('leaf-ingest', source, '--collection', other)}"
        )
    collection = Collection(client[opened.database][opened.collection], opened.manifest)
    questions = list(dict.fromkeys(asked.questions or _sampled(collection, asked.samples)))
    if not questions:
        raise EvalError(f"{opened.full_name}: no text to ask for; expected at least one")
    student = opened.manifest.student
    encoder = Remembered(questions, opened.student.encode_queries(questions))
    here = replay_searcher(client, collection, encoder)
    everything = _rescoring(asked, opened.documents)
    exact = ask_all(here, questions, k=asked.k, exact=True, rescore=everything)
    task = _Task(questions, exact, asked, opened.documents)
    on_status(f"measuring {opened.full_name} as stored")
    curves = [
        task.curve(Format(name="as stored", storage=_storage(opened.manifest)), here, collection)
    ]
    if not asked.in_place and opened.manifest.precision == "float32":
        curves += _others(client, collection, encoder, task, on_status)
    return SweepReport(
        collection=opened.full_name,
        documents=opened.documents,
        queries=len(questions),
        sampled=asked.questions is None,
        k=asked.k,
        models={"teacher": _named(opened.manifest.teacher), "student": _named(student)},
        curves=curves,
        seconds=round(time.monotonic() - started, 1),
    )


@dataclass(frozen=True)
class _Task:
    questions: Sequence[str]
    wanted: Sequence[Sequence[str]]
    asked: SweepOptions
    documents: int

    def curve(self, format: Format, searcher: Searcher, collection: Collection) -> Curve:
        rescore = 0 if format.rescore == 0 else _rescoring(self.asked, self.documents)
        exact = ask_all(searcher, self.questions, k=self.asked.k, exact=True, rescore=rescore)
        return Curve(
            format,
            self._overlap(exact),
            [self._step(format, searcher, n) for n in self._grid()],
            measure_sizes(collection),
        )

    def _step(self, format: Format, searcher: Searcher, candidates: int) -> Step:
        options: dict[str, Any] = {"k": self.asked.k, "num_candidates": candidates}
        if format.storage.precision == "binary":
            # The server's candidates are the ones that the float query can put in order.
            options["rescore"] = 0 if format.rescore == 0 else _rescoring(self.asked, candidates)
        answers = ask_each(searcher, self.questions, fields=[], **options)
        return Step(candidates, self._overlap(answers.rankings), answers.latency)

    def _grid(self) -> list[int]:
        most = min(self.asked.most, self.documents)
        return [n for n in _STEPS if self.asked.k <= n <= most] or [self.asked.k]

    def _overlap(self, found: Sequence[Sequence[str]]) -> float:
        return fmean(map(overlap, found, self.wanted))


def _rescoring(asked: SweepOptions, vectors: int) -> int:
    """The option `rescore` that rescores all the bits that a step can reach."""
    return math.ceil(min(vectors, MOST_CANDIDATES) / asked.k)


def _others(
    client: MongoClient[Any],
    collection: Collection,
    encoder: Remembered,
    task: _Task,
    on_status: OnStatus,
) -> list[Curve]:
    chunks, rows = _everything(collection)
    curves = []
    database = collection.mongo.database
    here = _storage(collection.manifest)
    for group in group_by_collection(derived_formats(rows.shape[1])):
        if group[0].storage == here:
            continue
        on_status(f"measuring {group[0].dimensions} x {group[0].name}")
        with trial_collection(database, group[0].storage, chunks, rows, on_status) as made:
            asked = replay_searcher(client, made, encoder)
            curves += [task.curve(format, asked, made) for format in group]
    return curves


def _everything(collection: Collection) -> tuple[list[dict[str, Any]], Rows]:
    """All chunks and rows, without texts, which no measurement here needs."""
    path = collection.manifest.path
    fields = dict.fromkeys(("document", "position", "hash", path), 1)
    with explain_errors():
        chunks = list(collection.mongo.find({path: {"$exists": True}}, fields))
    rows = collection.manifest.codec.expand([chunk.pop(path) for chunk in chunks])
    return chunks, rows


def _sampled(collection: Collection, count: int) -> list[str]:
    """The beginnings of some passages: not questions, but near where questions lie.

    Always the same, so that runs can be compared.
    """
    with explain_errors():
        own = collection.mongo.find(collection.manifest.chosen, {"_id": 1})
        ids = [chunk["_id"] for chunk in own.sort("_id", 1)]
        some = random.Random(0).sample(ids, min(count, len(ids)))
        texts = [
            c.get("text") or "" for c in collection.mongo.find({"_id": {"$in": some}}, {"text": 1})
        ]
    return [" ".join(text.split()[:_WORDS]) for text in texts if text.strip()]


def _storage(manifest: Manifest) -> Storage:
    return Storage(
        dimensions=manifest.dimensions,
        precision=manifest.precision,
        quantization=manifest.quantization,
    )


def _named(model: ModelRecord) -> str:
    return f"{model.name} at {model.revision}"
