"""read -> chunk -> encode -> compress -> write, encoding only what is not stored yet.

What is in the collection decides what is to be done, so a run that was killed is finished by
running it again.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ingest.chunk import Chunk, same_vector
from ingest.document import Document, Place, Rejected
from ingest.rejects import Rejects
from ingest.seen import Seen
from ingest.target import Target
from vectors import Rows

log = logging.getLogger(__name__)

_WINDOW = 512  # chunks that are looked up and written together
_STEP = 256  # chunks that are encoded before progress is told again; fewer cost more padding


@dataclass
class Summary:
    """`unchanged` counts chunks that were stored already; `updated` those whose metadata changed.

    `removed` counts stored chunks that their document has no longer; `waiting` those that are
    encoded and not yet written.
    """

    documents: int = 0
    chunks: int = 0
    encoded: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    rejected: int = 0
    waiting: int = 0
    seconds: float = 0.0
    last_written: str | None = None


Told = Callable[[Summary], None]


def ingest(
    records: Iterable[Document | Rejected],
    target: Target,
    *,
    rejects: Rejects,
    told: Told = lambda summary: None,
) -> Summary:
    """Write a corpus into `target`; `told` hears the running summary after each step.

    Documents that are stored but not among `records` stay as they are. What was read before an
    error is written.
    """
    summary, started = Summary(), time.monotonic()
    seen, window = Seen(), _Window(target, summary, rejects, told)
    rejects.begin()
    try:
        for record in records:
            judged = _judged(record, seen)
            if isinstance(judged, Document):
                window.add(judged)
            else:
                rejects.add(judged)
                summary.rejected += 1
        window.flush()
    except Exception:
        # Unlike an interruption: whoever wants to stop does not want to wait for a model.
        window.flush()
        raise
    finally:
        seen.close()
        summary.seconds = round(time.monotonic() - started, 3)
    return summary


def _judged(record: Document | Rejected, seen: Seen) -> Document | Rejected:
    if isinstance(record, Rejected) or (first := seen.before(record)) is None:
        return record
    reason = f"id {record.id!r} stands twice in this run, first at {first}"
    return Rejected(record.place, reason, record.text)


class _Window:
    """Documents whose chunks are gathered until there are enough for one step."""

    def __init__(self, target: Target, summary: Summary, rejects: Rejects, told: Told) -> None:
        self._target = target
        self._summary = summary
        self._rejects = rejects
        self._told = told
        self._documents: list[str] = []
        self._places: dict[str, Place] = {}
        self._chunks: list[Chunk] = []

    def add(self, document: Document) -> None:
        self._documents.append(document.id)
        self._places[document.id] = document.place
        self._chunks += self._target.chunker.split(document)
        if len(self._chunks) >= _WINDOW:
            self.flush()

    def flush(self) -> None:
        documents, chunks, places = self._documents, self._chunks, self._places
        # First: what fails once is not tried again.
        self._documents, self._chunks, self._places = [], [], {}
        if not documents:
            return
        self._target.ensure_index()
        stored = {i: s.hash for i, s in self._target.collection.stored(documents).items()}
        new = [c for c in chunks if not same_vector(stored.get(c.id, ""), c.hash)]
        for start in range(0, len(new), _WINDOW):
            self._write(new[start : start + _WINDOW], places)
        self._update([c for c in chunks if _only_metadata_differs(stored.get(c.id, ""), c.hash)])
        # Last, so that a document that shrinks is never without an answer.
        kept = {c.id for c in chunks}
        gone = [id for id in stored if id not in kept]
        self._summary.removed += self._target.collection.delete(gone)
        self._count(documents, chunks)

    def _count(self, documents: Sequence[str], chunks: Sequence[Chunk]) -> None:
        summary = self._summary
        summary.documents += len(documents)
        summary.chunks += len(chunks)
        summary.unchanged = summary.chunks - summary.encoded - summary.updated
        self._told(summary)

    def _write(self, chunks: Sequence[Chunk], places: Mapping[str, Place]) -> None:
        rows = self._encoded([c.encoded_text for c in chunks])
        refused = self._target.write([c.fields() for c in chunks], rows)
        for chunk in chunks:
            if reason := refused.get(chunk.id):
                self._rejects.add(Rejected(places[chunk.document], reason, chunk.text))
                self._summary.rejected += 1
            else:
                self._summary.last_written = chunk.id
        self._summary.encoded += len(chunks)
        self._summary.waiting = 0

    def _encoded(self, texts: Sequence[str]) -> Rows:
        parts = []
        for start in range(0, len(texts), _STEP):
            parts.append(self._target.teacher.encode_documents(texts[start : start + _STEP]))
            self._summary.waiting += len(parts[-1])
            self._told(self._summary)
        return np.concatenate(parts)

    def _update(self, chunks: list[Chunk]) -> None:
        if chunks:
            self._target.collection.update(
                {c.id: {"metadata": dict(c.metadata), "hash": c.hash} for c in chunks}
            )
            self._summary.updated += len(chunks)


def _only_metadata_differs(stored: str, wanted: str) -> bool:
    return stored != wanted and same_vector(stored, wanted)
