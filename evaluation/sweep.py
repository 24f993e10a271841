"""What a collection without judgments can tell: how near approximate search comes to exact.

The measure is the overlap with exact search on the vectors as they are stored, at growing
numCandidates: for the collection as stored, and for the other formats its vectors could be kept in.
"""

import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pymongo import MongoClient

from leafsearch.config import Settings, Storage
from leafsearch.config.hint import hint
from leafsearch.evaluation.cached_rows import OnStatus
from leafsearch.evaluation.errors import EvalError
from leafsearch.evaluation.formats import (
    FITTED_ON,
    Format,
    budget_formats,
    derived_formats,
    group_by_collection,
    leave_out,
    sample_of,
)
from leafsearch.evaluation.measures import overlap
from leafsearch.evaluation.replay import Remembered, ask_each, find_all, replay_searcher
from leafsearch.evaluation.report import Curve, Step, SweepReport
from leafsearch.evaluation.trial import measure_sizes, trial_collection
from leafsearch.search import MOST_CANDIDATES, Hit, Searcher
from leafsearch.search.session import open_collection, perform
from leafsearch.vectors import (
    CodecError,
    Collection,
    Encoder,
    IndexSkips,
    Manifest,
    ModelRecord,
    Rows,
    explain_errors,
)

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
    if opened.student is None:
        raise EvalError(
            f"{opened.full_name} has an autoEmbed index, whose vectors MongoDB keeps to itself; "
            "expected a collection that leafsearch ingested"
        )
    collection = Collection(client[opened.database][opened.collection], opened.manifest)
    given: Mapping[str, Sequence[str]] = {question: () for question in asked.questions or ()}
    own = given or _sampled(collection, asked.samples)
    questions = list(own)
    if not questions:
        raise EvalError(f"{opened.full_name}: no text to ask for; expected at least one")
    student = opened.manifest.student
    encoder = Remembered(questions, opened.student.encode_queries(questions))
    here = replay_searcher(client, collection, encoder)
    k = asked.k + most_own(own)
    everything = _rescoring(k, opened.documents)
    exact = find_all(here, questions, k=k, exact=True, rescore=everything)
    task = _Task(own, without_own(exact, own, asked.k), asked, opened.documents)
    on_status(f"measuring {opened.full_name} as stored")
    curves = [
        task.curve(Format(name="as stored", storage=_storage(opened.manifest)), here, collection)
    ]
    left_out: list[str] = []
    if not asked.in_place and opened.manifest.precision == "float32":
        others, left_out = _others(client, collection, opened.student, encoder, task, on_status)
        curves += others
    return SweepReport(
        collection=opened.full_name,
        documents=opened.documents,
        queries=len(questions),
        sampled=asked.questions is None,
        k=asked.k,
        models={"teacher": _named(opened.manifest.teacher), "student": _named(student)},
        warnings=left_out,
        curves=curves,
        seconds=round(time.monotonic() - started, 1),
    )


@dataclass(frozen=True)
class _Task:
    """`own`: the questions, each with the ids of the passages that it is the beginning of.

    These are no hits for it, or every format would seem better by hits that cannot be missed; nor
    do they count as candidates.
    """

    own: Mapping[str, Sequence[str]]
    wanted: Sequence[Sequence[str]]
    asked: SweepOptions
    documents: int

    def curve(self, format: Format, searcher: Searcher, collection: Collection) -> Curve:
        k = self.asked.k + most_own(self.own)
        rescore = 0 if format.rescore == 0 else _rescoring(k, self.documents)
        exact = find_all(searcher, list(self.own), k=k, exact=True, rescore=rescore)
        return Curve(
            format,
            self._overlap(exact),
            [self._step(format, searcher, n) for n in self._grid()],
            measure_sizes(collection),
        )

    def _step(self, format: Format, searcher: Searcher, candidates: int) -> Step:
        k, looked_at = (n + most_own(self.own) for n in (self.asked.k, candidates))
        looked_at = min(looked_at, MOST_CANDIDATES)
        options: dict[str, Any] = {"k": min(k, looked_at), "num_candidates": looked_at}
        if format.storage.precision == "binary":
            # The server's candidates are the ones that the float query can put in order.
            options["rescore"] = 0 if format.rescore == 0 else _rescoring(k, looked_at)
        answers = ask_each(searcher, list(self.own), fields=[], **options)
        return Step(candidates, self._overlap(answers.found), answers.latency)

    def _grid(self) -> list[int]:
        most = min(self.asked.most, self.documents)
        return [n for n in _STEPS if self.asked.k <= n <= most] or [self.asked.k]

    def _overlap(self, found: Sequence[Sequence[Hit]]) -> float:
        return fmean(map(overlap, without_own(found, self.own, self.asked.k), self.wanted))


def most_own(own: Mapping[str, Sequence[str]]) -> int:
    """How many hits more to ask for, so that enough are left without a question's own."""
    return max(map(len, own.values()))


def without_own(
    found: Sequence[Sequence[Hit]], own: Mapping[str, Sequence[str]], k: int
) -> list[list[str]]:
    """Ids of the first `k` others, in the order of the search, so that ties are cut alike."""
    pairs = zip(found, own.values(), strict=True)
    return [[hit.id for hit in hits if hit.id not in ids][:k] for hits, ids in pairs]


def _rescoring(k: int, vectors: int) -> int:
    """The option `rescore` that rescores all the bits that a step can reach."""
    return math.ceil(min(vectors, MOST_CANDIDATES) / k)


def _others(
    client: MongoClient[Any],
    collection: Collection,
    student: Encoder,
    encoder: Remembered,
    task: _Task,
    on_status: OnStatus,
) -> tuple[list[Curve], list[str]]:
    """Curves, and what was left out."""
    chunks, rows = _everything(collection)
    curves: list[Curve] = []
    left_out: list[str] = []
    manifest, database = collection.manifest, collection.mongo.database
    codec = manifest.codec
    is_whole = codec.transform is None and rows.shape[1] == manifest.teacher.dimensions
    if codec.transform is not None:  # the rows are rotated, so the queries have to be
        encoder = encoder.mapped(codec.project_queries)
    here = _storage(manifest)
    compared = derived_formats(rows.shape[1], whole=is_whole)
    if is_whole:
        texts = _texts(collection, [chunk["_id"] for chunk in chunks[:FITTED_ON]])
        compared += budget_formats(sample_of(rows, texts, student.encode_queries))
    for group in group_by_collection(compared):
        first = group[0]
        if first.storage == here:
            continue
        on_status(f"measuring {first.dimensions} x {first.name}")
        trial = trial_collection(database, first.storage, chunks, rows, transform=first.transform)
        try:
            with trial as made:
                asked = replay_searcher(client, made, encoder)
                curves += [task.curve(format, asked, made) for format in group]
        except (CodecError, IndexSkips) as error:
            left_out.append(leave_out(group, error))
            on_status(left_out[-1])
    return sorted(curves, key=lambda curve: compared.index(curve.format)), left_out


def _everything(collection: Collection) -> tuple[list[dict[str, Any]], Rows]:
    """All chunks and rows, without texts, which no measurement here needs."""
    path = collection.manifest.exact_path
    fields = dict.fromkeys(("document", "position", "hash", path), 1)
    with explain_errors():
        chunks = list(collection.mongo.find({path: {"$exists": True}}, fields))
    rows = collection.manifest.codec.exact.expand([chunk.pop(path) for chunk in chunks])
    return chunks, rows


def _texts(collection: Collection, ids: Sequence[str]) -> list[str]:
    with explain_errors():
        found = collection.mongo.find({"_id": {"$in": list(ids)}}, {"text": 1})
        texts = {chunk["_id"]: chunk.get("text") or "" for chunk in found}
    return [texts.get(id, "") for id in ids]


def _sampled(collection: Collection, count: int) -> dict[str, list[str]]:
    """The beginnings of some passages, with the ids of these: not questions, but near where
    questions lie.

    Always the same, so that runs can be compared.
    """
    with explain_errors():
        own = collection.mongo.find(collection.manifest.chosen, {"_id": 1})
        ids = [chunk["_id"] for chunk in own.sort("_id", 1)]
        some = random.Random(0).sample(ids, min(count, len(ids)))
        chunks = list(collection.mongo.find({"_id": {"$in": some}}, {"text": 1}))
    found: dict[str, list[str]] = {}
    for chunk in chunks:
        if question := " ".join((chunk.get("text") or "").split()[:_WORDS]):
            found.setdefault(question, []).append(chunk["_id"])
    return found


def _storage(manifest: Manifest) -> Storage:
    return Storage(
        dimensions=manifest.dimensions,
        precision=manifest.precision,
        quantization=manifest.quantization,
        beside=manifest.beside,
    )


def _named(model: ModelRecord) -> str:
    return f"{model.name} at {model.revision}"
