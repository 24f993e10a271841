"""A target brought in line with a MongoDB source: all of it once, then what changes."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from ingest.document import Document, Rejected
from ingest.extent import Extent
from ingest.mongodb.changes import Batch
from ingest.mongodb.source import MongoSource
from ingest.mongodb.stopping import Stop
from ingest.pipeline import ingest
from ingest.rejects import Rejects
from ingest.summary import Summary, Told
from ingest.target import Target
from vectors import InPlace
from vectors.identity import as_text, possible_ids
from vectors.patience import Patience

_ROUNDS = 10
_TOGETHER = 500


class Keeper:
    """`summary` is of everything so far; `unsettled` counts documents that changed faster than
    they could be encoded."""

    def __init__(
        self,
        source: MongoSource,
        target: Target,
        rejects: Rejects,
        told: Told,
        stop: Stop,
        extent: Extent,
        *,
        follows: bool = False,
    ) -> None:
        self.summary = Summary()
        self.unsettled = 0
        self._source = source
        self._target = target
        self._rejects = rejects
        self._told = told
        self._stop = stop
        self._extent = extent
        self._follows = follows
        self._later = replace(extent, seen=None)  # what is met again is no duplicate

    @property
    def patience(self) -> Patience:
        return self._target.patience

    def whole(self) -> None:
        """Every document, up to the one at which it is to stop."""
        self._ingest(self._until_stopped(), extent=self._extent)
        self._extent = self._later
        self._withdraw_unusable()
        self._catch_up()

    def encode(self, ids: Sequence[Any]) -> None:
        """These documents, as they are now, by their own `_id`."""
        self._ingest(iter(self._source.of_ids(ids)))
        self._withdraw_unusable()
        self._catch_up()

    def apply(self, batch: Batch) -> None:
        """Documents that changed, were made or deleted, as they are now."""
        names = {text for id in batch.ids if (text := as_text(id)) is not None}
        there = self._source.of_ids([*_twins(names), *_nameless(batch.ids)], batch.at)
        unusable = {str(as_text(id)) for id, _ in self._source.unusable}
        self._source.unusable.clear()
        self._ingest(iter(there))
        kept = {record.id for record in there if isinstance(record, Document)}
        # One that cannot be encoded any more must not be found by what it was.
        self._remove(sorted((names | unusable) - kept))
        self._catch_up()

    def _until_stopped(self) -> Iterator[Document | Rejected]:
        for record in self._source.records():
            if self._stop.is_set:
                return
            if len(self._source.unusable) >= _TOGETHER:
                self._withdraw_unusable()
            yield record

    def _withdraw_unusable(self) -> None:
        """Of vectors in place, those beside texts that they cannot have been made of."""
        unusable, self._source.unusable = self._source.unusable, []
        collection = self._target.collection
        if isinstance(collection, InPlace):
            stale = [(id, hash) for id, hash in unusable if hash is not None]
            self.summary.removed += sum(collection.withdraw_if(*each) for each in stale)
        elif self._follows:  # as if it had been followed when the text went
            self._remove([text for id, _ in unusable if (text := as_text(id)) is not None])

    def _remove(self, documents: Sequence[str]) -> None:
        """Of chunks only the source's own: another one may have documents of these ids."""
        collection = self._target.collection
        if isinstance(collection, InPlace):
            self.summary.removed += collection.withdraw(documents)
        else:
            self.summary.removed += collection.delete_documents(documents, self._source.names)

    def _catch_up(self) -> None:
        """Encode again whose text was changed between reading and writing."""
        collection = self._target.collection
        for _ in range(_ROUNDS):
            outrun, collection.outrun = collection.outrun, set()
            if not outrun:
                return
            self._ingest(iter(self._source.of_ids(_twins(outrun))), again=True)
            self._withdraw_unusable()
        self.unsettled, collection.outrun = len(collection.outrun), set()

    def _ingest(
        self,
        records: Iterator[Document | Rejected],
        *,
        again: bool = False,
        extent: Extent | None = None,
    ) -> None:
        summary = ingest(
            records,
            self._target,
            rejects=self._rejects,
            told=self._told,
            extent=extent or self._later,
        )
        if again:
            summary.documents = summary.chunks = summary.unchanged = 0
        self.summary = added(self.summary, summary)


def added(one: Summary, other: Summary) -> Summary:
    total = Summary()
    for each in fields(Summary):
        a, b = getattr(one, each.name), getattr(other, each.name)
        numbers = isinstance(a, int | float) and isinstance(b, int | float)
        setattr(total, each.name, a + b if numbers else b or a)
    return total


def _twins(names: set[str]) -> list[Any]:
    """All `_id`s that read alike: where one goes, the other takes its place."""
    return [id for name in sorted(names) for id in possible_ids(name)]


def _nameless(ids: Sequence[Any]) -> list[Any]:
    return [id for id in ids if as_text(id) is None]
