"""The steps of an ingest as a Ray Data pipeline, for corpora beyond a few machines.

    records  ->  plan  ->  encode  ->  write
    by Ray's     what      on GPUs     into the
    readers      is new?               collection

Every stage is the one that `leaf-ingest` runs, and what is in the collection decides, so a pipeline
that died is finished by running it again. A row is a document with all its chunks, so that it is
finished where it is written. Needs the extra [ray].
"""

import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pyarrow as pa
from ray.data import ActorPoolStrategy, Dataset

from config import Settings
from ingest.choices import Choices
from ingest.document import Document, Place, Rejected
from ingest.opening import open_target
from ingest.plan import Plan
from ingest.planning import plans
from ingest.records import Fields, UnusableRecord, to_document
from ingest.rejects import Rejects
from ingest.summary import Summary, Tally
from ingest.target import Target
from ingest.writing import Encoded, Writing, without_vectors
from vectors import connect

_BATCH = 256  # documents of one step
_FIRST = 512  # records on which the vectors of a new collection are calibrated
_COLUMN = "pickled"


@dataclass(frozen=True, kw_only=True)
class Job:
    """`source` is what `leaf-ingest --prune --source` would name.

    `planners`, `encoders` and `writers` are how many actors each stage has; `gpus` is how many an
    encoder has for itself, 0 for none.
    """

    uri: str
    settings: Settings
    choices: Choices = field(default_factory=Choices)
    fields: Fields = field(default_factory=Fields)
    source: str = "ray"
    planners: int = 1
    encoders: int = 1
    writers: int = 1
    gpus: float = 0


def ingest_on_ray(records: Dataset, job: Job, *, rejects: Rejects) -> Summary:
    """`records` have a text, and perhaps an id and a title; other columns become metadata.

    Ids have to be unique: of two documents with the same one, that which is written last stays.
    Raises what `open_target` raises, before any work is handed out.
    """
    _prepare(records, job)
    rejects.begin()
    summary = Summary()
    for item in _items(_pipeline(records, job).iter_batches(batch_format="pyarrow")):
        if isinstance(item, Rejected):
            rejects.add(item)
            summary.rejected += 1
        else:
            _add(summary, item)
    return summary


def _prepare(records: Dataset, job: Job) -> None:
    """A new collection is made here, so that its actors need not agree on it."""
    with connect(job.uri) as client:
        target = _opened(client, job)
        if target.is_new:
            first = [_document(record, job) for record in records.take(_FIRST)]
            documents = [found for found in first if isinstance(found, Document)]
            chunks = [c for cut in target.chunker.split_many(documents) for c in cut]
            wanted = chunks if target.needs_calibration else chunks[:1]
            texts = [chunk.encoded_text for chunk in wanted[:_FIRST]]
            target.prepare(target.teacher.encode_documents(texts))
        target.ensure_index()


def _pipeline(records: Dataset, job: Job) -> Dataset:
    def stage(before: Dataset, work: Any, actors: int, gpus: float = 0) -> Dataset:
        return before.map_batches(
            work,
            fn_constructor_args=(job,),
            batch_size=_BATCH,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=actors),
            num_gpus=gpus or None,
        )

    planned = stage(records, _Planner, job.planners)
    encoded = stage(planned, _Encoder, job.encoders, job.gpus)
    return stage(encoded, _Writer, job.writers)


class _Stage:
    """An actor with a connection of its own."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._client = connect(job.uri)
        self._target = _opened(self._client, job)


class _Planner(_Stage):
    """Records to plans; of what is stored already only the numbers go on."""

    def __call__(self, batch: pa.Table) -> pa.Table:
        judged = [_document(record, self._job) for record in batch.to_pylist()]
        documents = [found for found in judged if isinstance(found, Document)]
        tally = Tally()
        planned = [plan for part in plans([documents], self._target, tally) for plan in part]
        rejected = [found for found in judged if isinstance(found, Rejected)]
        return _table([*planned, *rejected, tally.summary])


class _Encoder(_Stage):
    """Plans get their vectors; what is no plan passes."""

    def __call__(self, batch: pa.Table) -> pa.Table:
        items = list(_items([batch]))
        waiting = [(p, c) for p in items if isinstance(p, Plan) for c in p.new]
        rows = np.empty((len(waiting), self._target.manifest.teacher.dimensions), np.float32)
        texts = [chunk.encoded_text for _, chunk in waiting]
        if texts:
            for places, encoded in self._target.teacher.document_batches(texts):
                rows[list(places)] = encoded
        return _table(_with_rows(items, rows))


class _Writer(_Stage):
    def __call__(self, batch: pa.Table) -> pa.Table:
        items = list(_items([batch]))
        tally, refused = Tally(), list[Rejected]()
        parts = [item for item in items if isinstance(item, Encoded)]
        if parts:
            Writing(self._target, tally, refused.append).write(parts)
        return _table([i for i in items if not isinstance(i, Encoded)] + [tally.summary, *refused])


def _with_rows(items: Iterable[Any], rows: "np.ndarray[Any, Any]") -> Iterator[Any]:
    done = 0
    for item in items:
        if not isinstance(item, Plan):
            yield item
        elif item.new:
            own = rows[done : done + len(item.new)]
            yield Encoded([item] * len(item.new), item.new, own)
            done += len(item.new)
        else:
            yield without_vectors([item])


def _opened(client: Any, job: Job) -> Target:
    return open_target(client[job.settings.database], job.settings, job.choices)


def _document(record: dict[str, Any], job: Job) -> Document | Rejected:
    place = Place(job.source)
    try:
        return to_document(record, job.fields, place, job.source)
    except UnusableRecord as error:
        return Rejected(place, str(error), str(record)[:1000])


def _items(batches: Iterable[pa.Table]) -> Iterator[Any]:
    for batch in batches:
        for pickled in batch[_COLUMN].to_pylist():
            yield pickle.loads(pickled)


def _table(items: Iterable[Any]) -> pa.Table:
    return pa.table({_COLUMN: pa.array(map(pickle.dumps, items), pa.binary())})


def _add(summary: Summary, more: Summary) -> None:
    for part in fields(Summary):
        value = getattr(more, part.name)
        if isinstance(value, int | float):
            setattr(summary, part.name, getattr(summary, part.name) + value)
        elif value is not None:
            setattr(summary, part.name, value)
