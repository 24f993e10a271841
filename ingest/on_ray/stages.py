"""The stages of a pipeline on Ray: what its actors do with the rows they are handed.

Each row between stages is one pickled item: a plan, encoded chunks, or a message to the driver. A
document and all its chunks go in one row, so that it is finished where it is written. Our own
errors travel as items too, because Ray would hand the driver only their text.
"""

import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from leafsearch.config import LeafError
from leafsearch.ingest.chunking.chunk import Chunk
from leafsearch.ingest.document import Document, Place, Rejected
from leafsearch.ingest.on_ray.job import Job
from leafsearch.ingest.pipeline.plan import Plan, plan_windows
from leafsearch.ingest.pipeline.read import cut_windows
from leafsearch.ingest.pipeline.stats import Summary, Tally
from leafsearch.ingest.pipeline.write import Encoded, Writer, without_vectors
from leafsearch.ingest.sources.readers.tables.parquet import row_document, rows
from leafsearch.ingest.target.open import open_target
from leafsearch.ingest.target.target import Target, load_teacher
from leafsearch.vectors import Rows, Teacher, connect

_COLUMN = "pickled"


@dataclass(frozen=True)
class Met:
    """Ids of documents, in the order of the corpus."""

    ids: Sequence[str]


@dataclass(frozen=True)
class Claimed:
    """Claims of an actor: see Claims.add."""

    documents: Sequence[str]
    versions: Sequence[int]
    chunks: Sequence[int]


Item = Plan | Encoded | Rejected | Met | Claimed | Summary | LeafError


class _Stage:
    def __init__(self, job: Job) -> None:
        self.job = job

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        try:
            yield from map(to_table, self.work(batch))
        except LeafError as error:
            yield to_table([error])

    def work(self, batch: pa.Table) -> Iterator[Sequence[Item]]:
        raise NotImplementedError

    def claimed(self) -> Claimed:
        """Claims since the last call."""
        claims = [claim for group in self.target.claims.all() for claim in group]
        self.target.claims.clear()
        return Claimed(
            [claim.document for claim in claims],
            [claim.version for claim in claims],
            [claim.chunks for claim in claims],
        )

    @cached_property
    def target(self) -> Target:
        """Opened with the first work, so that an error finds its way to the driver."""
        settings = self.job.settings
        client = connect(settings.uri or "")
        return open_target(client[settings.database], settings, self.job.choices)


class PlanActor(_Stage):
    """Records to plans; documents that are stored already only add to the counts."""

    def work(self, batch: pa.Table) -> Iterator[Sequence[Item]]:
        judged = list(documents_of(batch, self.job))
        documents = [found for found in judged if isinstance(found, Document)]
        yield [found for found in judged if isinstance(found, Rejected)]
        yield [Met([document.id for document in documents])]
        for window in cut_windows(documents):
            tally = Tally()
            planned = [p for part in plan_windows([window], self.target, tally) for p in part]
            yield [*map(_light, planned), tally.summary, self.claimed()]


class EncodeActor(_Stage):
    """Adds vectors to plans; passes other items on."""

    def work(self, batch: pa.Table) -> Iterator[Sequence[Item]]:
        items = list(from_tables([batch]))
        chunks = [chunk for item in items if isinstance(item, Plan) for chunk in item.new]
        yield list(_with_rows(items, self._rows(chunks)))
        tokens, unknown = sum(c.tokens for c in chunks), sum(c.is_unknown for c in chunks)
        yield [Summary(tokens=tokens, unknown=unknown)]

    def _rows(self, chunks: Sequence[Chunk]) -> Rows:
        if not chunks:
            return np.empty((0, 0), dtype=np.float32)
        return self.teacher.encode_documents([chunk.encoded_text for chunk in chunks])

    @cached_property
    def teacher(self) -> Teacher:
        """Runs in this process alone: other cores and GPUs of a machine belong to other actors."""
        devices = ["cuda:0" if self.job.gpus else "cpu"]  # Ray shows an actor its own GPU only
        return load_teacher(
            self.target.manifest,
            self.job.settings,
            retry_for=self.target.retries.seconds,
            devices=devices,
        )


class WriteActor(_Stage):
    """Writes encoded chunks; passes messages to the driver on."""

    def work(self, batch: pa.Table) -> Iterator[Sequence[Item]]:
        items = list(from_tables([batch]))
        parts = [item for item in items if isinstance(item, Encoded)]
        tally, refused = Tally(), list[Rejected]()
        if parts:
            Writer(self.target, tally, refused.append).write(parts)
            items.append(self.claimed())
        yield [i for i in items if not isinstance(i, Encoded)] + [tally.summary, *refused]


def documents_of(batch: pa.Table, job: Job) -> Iterator[Document | Rejected]:
    """Documents as `leaf-ingest` reads them from a Parquet file."""
    for row in rows(batch):
        yield row_document(row, job.fields, Place(job.source), job.source)


def to_table(items: Iterable[Item]) -> pa.Table:
    return pa.table({_COLUMN: pa.array(map(pickle.dumps, items), pa.large_binary())})


def from_tables(tables: Iterable[pa.Table]) -> Iterator[Any]:
    for table in tables:
        for pickled in table[_COLUMN]:
            yield pickle.loads(pickled.as_buffer())


def _light(plan: Plan) -> Plan:
    """The plan without what its chunks hold as well."""
    return replace(plan, document=replace(plan.document, text="", metadata={}))


def _with_rows(items: Iterable[Any], vectors: Rows) -> Iterator[Item]:
    done = 0
    for item in items:
        if not isinstance(item, Plan):
            yield item
        elif item.new:
            own = vectors[done : done + len(item.new)]
            yield Encoded([item] * len(item.new), item.new, own)
            done += len(item.new)
        else:
            yield without_vectors([item])
