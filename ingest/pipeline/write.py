"""The last stage: write encoded chunks into the collection, many at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from leafsearch.config.text import quote
from leafsearch.ingest.chunking.chunk import Chunk
from leafsearch.ingest.document import Rejected
from leafsearch.ingest.pipeline.plan import Plan
from leafsearch.ingest.pipeline.queue import Channel
from leafsearch.ingest.pipeline.stats import Tally
from leafsearch.ingest.target.target import Target
from leafsearch.vectors import Rows

_AT_ONCE = 1000  # chunks of one request


@dataclass(frozen=True)
class Encoded:
    """Chunks, each with its plan, and their rows; or plans without any chunk."""

    plans: Sequence[Plan]
    chunks: Sequence[Chunk]
    rows: Rows


def without_vectors(plans: Sequence[Plan]) -> Encoded:
    """Plans that need no encoding."""
    return Encoded(plans, (), np.empty((0, 0), dtype=np.float32))


@dataclass
class Writer:
    """Calls `refuse` with documents that the server refuses."""

    target: Target
    tally: Tally
    refuse: Callable[[Rejected], None]

    def write_all(self, encoded: Channel[Encoded]) -> None:
        """Write until the channel ends. Batches that wait there are written together."""
        while (first := encoded.get()) is not None:
            # The batch that decides the scale of int8 is written alone.
            room = 0 if self.target.calibrated_on else _AT_ONCE - len(first.chunks)
            self.write([first, *_more(encoded, room)])
        self.target.ensure_index()

    def write(self, parts: Sequence[Encoded]) -> None:
        if with_vectors := [part for part in parts if part.chunks]:
            plans = [plan for part in with_vectors for plan in part.plans]
            chunks = [chunk for part in with_vectors for chunk in part.chunks]
            self._write_vectors(plans, chunks, np.concatenate([p.rows for p in with_vectors]))
        done = {id(plan): plan for part in parts for plan in part.plans if not plan.waiting}
        self._finish(list(done.values()))

    def _write_vectors(self, plans: Sequence[Plan], chunks: Sequence[Chunk], rows: Rows) -> None:
        manifest = self.target.manifest
        fields = [p.fields(c, manifest) for p, c in zip(plans, chunks, strict=True)]
        seen = {
            f["_id"]: p.stored[f["_id"]].hash
            for p, f in zip(plans, fields, strict=True)
            if f["_id"] in p.stored
        }
        refused = self.target.write(fields, rows, seen=seen)
        for plan, stored in zip(plans, fields, strict=True):
            plan.waiting -= 1
            plan.refuse(refused, [stored["_id"]])
        self.tally.add(encoded=len(chunks) - len(refused))
        self.tally.summary.last_written = fields[-1]["_id"]

    def _finish(self, plans: Sequence[Plan]) -> None:
        """Finish documents whose new chunks are all written."""
        changes = {i: fields for plan in plans for i, fields in plan.changes.items()}
        collection = self.target.collection
        seen = {i: plan.stored[i].hash for plan in plans for i in plan.changes}
        refused = collection.update(changes, seen=seen)
        # Another run may have removed or replaced some of them meanwhile.
        missed = collection.missed(changes) - refused.keys()
        collection.outrun |= {p.document.id for p in plans if not missed.isdisjoint(p.changes)}
        for plan in plans:
            plan.refused = plan.refused or next(
                (refused[i] for i in plan.changes if i in refused), ""
            )
        good = [plan for plan in plans if not plan.refused]
        # Last, so that a document that shrinks is never without hits.
        gone = {i: plan.stored[i].version for plan in good for i in plan.gone}
        removed = collection.delete(list(gone), versions=gone.values())
        self.target.claims.add(
            [plan.document.id for plan in good],
            [plan.version for plan in good],
            [plan.chunks for plan in good],
        )
        self._count(good, removed)
        for plan in plans:
            if plan.refused:
                self.refuse(Rejected(plan.document.place, _reason(plan)))

    def _count(self, plans: Sequence[Plan], removed: int) -> None:
        chunks = sum(plan.chunks for plan in plans)
        updated = sum(plan.updated for plan in plans)
        self.tally.add(
            documents=len(plans),
            chunks=chunks,
            updated=updated,
            unchanged=chunks - updated - sum(len(plan.new) for plan in plans),
            removed=removed,
        )


def _more(encoded: Channel[Encoded], room: int) -> Iterator[Encoded]:
    while room > 0 and (part := encoded.at_hand()) is not None:
        yield part
        room -= max(len(part.chunks), 1)


def _reason(plan: Plan) -> str:
    return f"MongoDB refuses document {quote(plan.document.id)}: {plan.refused}"
