"""The steps of an ingest as a Ray Data pipeline, for corpora beyond a few machines.

    records  ->  plan  ->  encode  ->  write
    by Ray's     what      on GPUs     into the
    readers      is new?               collection

Every stage is the one that `leaf-ingest` runs, and the collection decides what is left to do, so
running a pipeline that died again finishes it. Needs the extra [ray]. See docs/ray.md.
"""

import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa
import ray
from pymongo import MongoClient
from ray.data import ActorPoolStrategy, Dataset
from ray.exceptions import RayError, RayTaskError, UserCodeException

from leafsearch.config import ConfigError, LeafError
from leafsearch.config.text import quote
from leafsearch.ingest.chunking.chunk import Chunk
from leafsearch.ingest.document import Document, Place, Rejected
from leafsearch.ingest.errors import IngestError, SourceError
from leafsearch.ingest.on_ray.job import PLANNER_CPUS, WRITER_CPUS, Job
from leafsearch.ingest.on_ray.stages import (
    Claimed,
    EncodeActor,
    Met,
    PlanActor,
    WriteActor,
    documents_of,
    from_tables,
)
from leafsearch.ingest.pipeline.extent import Seen
from leafsearch.ingest.pipeline.read import cut_windows
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.pipeline.stats import OnProgress, Summary
from leafsearch.ingest.target.claims import Claims
from leafsearch.ingest.target.open import open_target
from leafsearch.ingest.target.target import Lost, Target, overlap_error, settle_overlap
from leafsearch.vectors import connect

_BATCH = 512  # records of one step
_LOOKED_AT = 10_000  # first records, for what a new collection needs to know

__all__ = ["Job", "ingest_on_ray"]


def ingest_on_ray(
    records: Dataset, job: Job, *, rejects: Rejects, on_progress: OnProgress = lambda summary: None
) -> Summary:
    """`records` have a text, and perhaps an id and a title; other columns become metadata.

    If several documents have the same id, chance decides which one is stored; `rejects` reports
    them. Raises what `open_target` raises, before any work is handed out, and IngestError for
    failures in Ray.
    """
    if problems := [*job.problems(), *_too_much(job)]:
        raise ConfigError(problems)
    started, summary = time.monotonic(), Summary()
    with (
        _explained(),
        closing(Seen()) as seen,
        connect(job.settings.uri or "") as client,
        closing(_prepare_target(records, job, client)) as target,
    ):
        target.registration.enter()
        rejects.begin()
        with closing(_batches(_pipeline(records, job))) as batches:
            for item in from_tables(batches):
                for rejected in absorb(item, summary, seen, target.claims, job):
                    rejects.add(rejected)
                    summary.rejected += 1
                target.registration.renew()
                on_progress(summary)
        # A pipeline reads its records once, so what other runs undid is an error.
        settle_overlap(target, lambda lost: _refuse(lost, target))
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


def _too_much(job: Job) -> Iterator[str]:
    """Ray waits for ever for actors that do not fit, and says so only in its log."""
    if not ray.is_initialized():
        ray.init()
    there = ray.cluster_resources()
    needed = {"CPU": job.cpus + 1, "GPU": job.encoders * job.gpus}  # one CPU for Ray's readers
    for kind, count in needed.items():
        if count > there.get(kind, 0):
            yield (
                f"{job.planners} planners, {job.encoders} encoders and {job.writers} writers need "
                f"{count:g} {kind}s, with one CPU to read; Ray has {there.get(kind, 0):g}. Use "
                "fewer, or add machines first"
            )


def _refuse(lost: Lost, target: Target) -> None:
    raise overlap_error(lost, target)


def _prepare_target(records: Dataset, job: Job, client: MongoClient[Any]) -> Target:
    """Create a new collection here, so that actors need not agree on it."""
    target = open_target(client[job.settings.database], job.settings, job.choices)
    try:
        if target.is_new and (chunks := _first_chunks(records, job, target)):
            texts = [chunk.encoded_text for chunk in chunks]
            rows = target.teacher.encode_documents(texts)
            target.prepare(rows, [chunk.text for chunk in chunks])
        target.ensure_index()
    except BaseException:
        target.close()
        raise
    target.end_teacher()
    return target


def _first_chunks(records: Dataset, job: Job, target: Target) -> list[Chunk]:
    """The chunks on which int8 is calibrated, in the order of the corpus; else one."""
    most = max(target.calibrated_on, 1)
    found: list[Chunk] = []
    count, reason = 0, ""
    with _in_order(records), closing(_batches(records.limit(_LOOKED_AT))) as batches:
        for batch in batches:
            judged = list(documents_of(batch, job))
            count += len(judged)
            reason = next((r.reason for r in judged if isinstance(r, Rejected)), reason)
            for window in cut_windows(d for d in judged if isinstance(d, Document)):
                found += [c for cut in target.chunker.split_many(window) for c in cut]
                if len(found) >= most:
                    return found[:most]
    if not found and count == _LOOKED_AT:
        raise SourceError(
            f"none of the first {count} records of {job.source} can be used, for example: "
            f"{reason}; nothing was written"
        )
    return found


def _pipeline(records: Dataset, job: Job) -> Dataset:
    def stage(before: Dataset, work: Any, actors: int, batch: int | None, **resources: Any) -> Any:
        return before.map_batches(
            work,
            fn_constructor_args=(job,),
            batch_size=batch,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=actors),
            **resources,
        )

    # A planner's output stays together, so that no batch outgrows Ray's block size.
    planned = stage(records, PlanActor, job.planners, _BATCH, num_cpus=PLANNER_CPUS)
    gpus = job.gpus or None
    encoded = stage(planned, EncodeActor, job.encoders, None, num_cpus=1, num_gpus=gpus)
    return stage(encoded, WriteActor, job.writers, None, num_cpus=WRITER_CPUS)


def _batches(dataset: Dataset) -> Generator[pa.Table, None, None]:
    """Closing it ends Ray's work for it."""
    batches = iter(dataset.iter_batches(batch_size=None, batch_format="pyarrow"))
    try:
        yield from batches
    finally:
        batches.close()


@contextmanager
def _in_order(records: Dataset) -> Iterator[None]:
    options = records.context.execution_options
    before, options.preserve_order = options.preserve_order, True
    try:
        yield
    finally:
        options.preserve_order = before


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except RayError as error:
        raise IngestError(
            f"Ray failed: {_reason(error)}; what is written stays. Run it again to resume"
        ) from error


def _reason(error: RayError) -> str:
    """Ray keeps only the traceback's text of an exception in an actor."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, UserCodeException):
        traceback = str(error).partition("\n\nThe above exception was")[0]
        return traceback.strip().splitlines()[-1]
    lines = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {lines[0] if lines else ''}"


def absorb(item: Any, summary: Summary, seen: Seen, claims: Claims, job: Job) -> Iterator[Rejected]:
    """Add an item to the summary or the claims, and yield the records to reject."""
    if isinstance(item, LeafError):
        raise item
    if isinstance(item, Rejected):
        yield item
    elif isinstance(item, Met):
        yield from _check_repeated(item, seen, job)
    elif isinstance(item, Claimed):
        claims.add(item.documents, item.versions, item.chunks)
    else:
        summary.add(item)


def _check_repeated(met: Met, seen: Seen, job: Job) -> Iterator[Rejected]:
    place = Place(job.source)
    for document, first in seen.judged([Document(id, "", place=place) for id in met.ids]):
        if first is not None:
            yield Rejected(
                place,
                f"id {quote(document.id)} occurs more than once in this run; chance decides "
                "which of its documents is stored. Make ids unique and run it again",
            )
