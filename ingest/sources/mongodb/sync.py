"""Bring a target in line with a MongoDB source: the whole of it once, then each change."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from leafsearch.config.text import shorten
from leafsearch.ingest.document import Document, Rejected
from leafsearch.ingest.pipeline.extent import Extent, Seen
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.pipeline.run import ingest
from leafsearch.ingest.pipeline.stats import OnProgress, Summary
from leafsearch.ingest.runs.prune import Pruning
from leafsearch.ingest.sources.mongodb.changes import ChangeBatch
from leafsearch.ingest.sources.mongodb.position import Position
from leafsearch.ingest.sources.mongodb.signals import Stop
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.ingest.target.claims import Claims
from leafsearch.ingest.target.target import Lost, Target, settle_overlap
from leafsearch.vectors import Collection, InPlace
from leafsearch.vectors.store import ActiveRuns, RetryBudget, id_to_text, ids_from_text

_ROUNDS = 10
_TOGETHER = 500
_PAUSE = 5.0  # seconds between two checks of what was written beside other runs
_REST = 20  # times the duration of such a check, if that is more


class Watched:
    """Documents of a follower that a run beside it may still undo, since that run read them
    before.

    A run that was active when the follower wrote a document may have read it earlier, and may
    write that later: no event of the change stream will show it. So the document is written once
    more, as the source has it, when each of those runs has taken another turn or has ended. Runs
    that begin later read what the follower has read.
    """

    def __init__(self) -> None:
        self._newer: set[str] = set()
        self._older: set[str] = set()
        self._beside_older: ActiveRuns = frozenset()  # those that may still undo the older ones
        self._pass: Claims | None = None
        self._beside_pass: ActiveRuns = frozenset()

    @property
    def is_any(self) -> bool:
        return bool(self._newer or self._older or self._pass)

    def add(self, documents: Iterable[str]) -> None:
        """Add documents that were just written beside other runs."""
        self._newer.update(documents)

    def add_pass(self, claims: Claims, beside: ActiveRuns) -> None:
        """Add the claims of a pass over the whole source; they may exceed memory."""
        self.close()
        self._pass, self._beside_pass = claims, beside

    def doubtful(self, collection: Collection, beside: ActiveRuns) -> set[str]:
        """Documents to write once more, with these runs active."""
        documents = self._newer | self._older
        if self._pass is not None and beside.isdisjoint(self._beside_pass):
            documents.update(self._pass.broken(collection))
        return documents

    def forget(self, beside: ActiveRuns) -> None:
        """Forget what was `doubtful` with these runs active, once it is written again."""
        if beside.isdisjoint(self._beside_pass):
            self.close()
        if beside.isdisjoint(self._beside_older):
            self._older = self._newer if beside else set()
            self._newer, self._beside_older = set(), beside

    def close(self) -> None:
        if self._pass is not None:
            self._pass.close()
        self._pass, self._beside_pass = None, frozenset()


class SourceSync:
    """`summary` covers everything so far; `unsettled` counts documents that changed faster than
    they could be encoded."""

    def __init__(
        self,
        source: MongoSource,
        target: Target,
        rejects: Rejects,
        on_progress: OnProgress,
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
        self._on_progress = on_progress
        self._stop = stop
        self._extent = extent
        self._follows = follows
        self._watched = Watched()
        self._is_of_pass = False  # whether the target's claims are those of a pass
        self._next_look = 0.0
        self._later = replace(extent, seen=None)  # a document that is met again is not a duplicate

    @property
    def is_waiting(self) -> bool:
        """Whether the source's or the target's MongoDB is unreachable."""
        return any(budget.is_waiting for budget in self._budgets)

    def reset_retries(self) -> None:
        for budget in self._budgets:
            budget.reset()

    @property
    def _budgets(self) -> tuple[RetryBudget, RetryBudget]:
        return self._source.retries, self._target.retries

    def whole(self, seen: Seen | None = None) -> None:
        """Read every document until the run is stopped; `seen` holds their ids afterwards."""
        # Announced before the source is read, so that followers know which runs may undo theirs.
        self._target.registration.enter()
        self._target.claims.clear()
        self._is_of_pass = True
        self._ingest(self._until_stopped(), extent=replace(self._extent, seen=seen))
        self._withdraw_unusable()
        self._catch_up()

    def encode(self, ids: Sequence[Any]) -> None:
        """Encode these documents as they are now, by their own `_id`."""
        self._ingest(iter(self._source.of_ids(ids)))
        self._withdraw_unusable()
        self._catch_up()

    def settle(self, pruning: Pruning | None = None) -> None:
        """End a pass like any run: see target.settle_overlap."""

        def mend(lost: Lost) -> None:
            self._write_again(lost)
            if pruning:
                pruning.remove(self.summary, yes=True)  # checked above

        settle_overlap(self._target, mend, leftover=pruning.is_incomplete if pruning else None)
        if self._is_of_pass and self._beside:
            self._watched.add_pass(self._target.claims, self._beside)
            self._target.claims = Claims()
        self._is_of_pass = False

    def look_in_time(self) -> None:
        """See look_again; nothing for a follower that is alone, or has looked a moment ago."""
        if (self._beside or self._watched.is_any) and time.monotonic() >= self._next_look:
            begun = time.monotonic()
            self.look_again()
            now = time.monotonic()
            self._next_look = now + max(_PAUSE, _REST * (now - begun))

    def look_again(self) -> None:
        """Write once more what was written beside other runs, as the source has it now.

        Even without such documents it tells other runs that everything read so far is written.
        Raises TargetError if searches have switched to another generation.
        """
        self._target.require_active()
        self._target.registration.was_alone()
        beside = self._beside
        if documents := self._watched.doubtful(self._target.collection, beside):
            self._target.claims.clear()
            self._bring_in_line(sorted(documents))
            self.settle()
        if not self._stop.is_set:
            self._watched.forget(beside)

    def close(self) -> None:
        self._watched.close()

    def pruning(self, seen: Seen) -> Pruning:
        """Removes documents that are gone from the source."""
        names, shard = self._source.names, self._extent.shard
        return Pruning(self._target, names, seen, shard, self._present)

    def remove_gone(self, seen: Seen, position: Position, say: Callable[[str], None]) -> None:
        """Remove, after a whole pass, what was deleted while the source was not followed."""
        collection = self._target.collection
        name, where = self._source.name, self._source.source
        if isinstance(collection, InPlace):
            self.summary.removed += collection.withdraw_unfound(self._source.query)
        elif not seen.sources:
            say(
                f"{name} has no usable documents; the stored documents of {where} stay: see --prune"
            )
        elif others := position.others():
            say(
                f"{name} is followed as {where}, and so was {shorten(' and '.join(others), 300)} "
                "in the last seven days, so what was deleted in that time stays. Give each source "
                "its own --source name"
            )
        else:
            pruning = self.pruning(seen)
            pruning.remove(self.summary, yes=True)
            self.settle(pruning)

    def apply(self, batch: ChangeBatch) -> None:
        """Apply changes: documents as they are now, or their removal.

        Raises TargetError if searches have switched to another generation.
        """
        self._target.require_active()
        self._target.registration.enter()
        self._target.claims.clear()
        names = {text for id in batch.ids if (text := id_to_text(id)) is not None}
        there = self._source.of_ids([*_twins(names), *_nameless(batch.ids)], batch.at)
        unusable = {str(id_to_text(id)) for id, _ in self._source.unusable}
        kept = {record.id for record in there if isinstance(record, Document)}
        collection = self._target.collection
        if isinstance(collection, InPlace):
            self._withdraw_unusable()
            unfound = sorted(names - unusable - kept)
            self.summary.removed += collection.withdraw_unfound(self._source.query, unfound)
        else:
            self._source.unusable.clear()
            # A document that cannot be encoded any more must not be found by its old text.
            self._remove(sorted((names | unusable) - kept))
        self._ingest(iter(there))
        self._catch_up()
        self.settle()
        if self._beside:
            self._watched.add(filter(self._extent.shard.holds, names))

    @property
    def _beside(self) -> ActiveRuns:
        """The runs that may undo what a follower has written. None undoes a vector in place,
        which is only written beside its own text."""
        in_place = isinstance(self._target.collection, InPlace)
        return self._target.registration.others if self._follows and not in_place else frozenset()

    def _bring_in_line(self, names: Sequence[str]) -> None:
        """Write these documents, which were counted before; remove those that the source lacks."""
        for start in range(0, len(names), _TOGETHER):
            if self._stop.is_set:
                return
            some = set(names[start : start + _TOGETHER])
            there = self._usable(some)
            self._remove(sorted(some - {document.id for document in there}))
            self._ingest(iter(there), again=True)
        self._catch_up()

    def _until_stopped(self) -> Iterator[Document | Rejected]:
        for record in self._source.records():
            if self._stop.is_set:
                return
            if len(self._source.unusable) >= _TOGETHER:
                self._withdraw_unusable()
            yield record

    def _withdraw_unusable(self) -> None:
        """Withdraw vectors in place beside texts that cannot have produced them."""
        unusable, self._source.unusable = self._source.unusable, []
        collection = self._target.collection
        if isinstance(collection, InPlace):
            stale = [(id, hash) for id, hash in unusable if hash is not None]
            self.summary.removed += sum(collection.withdraw_if(*each) for each in stale)
        elif self._follows:  # as if the source had been followed when the text vanished
            self._remove([text for id, _ in unusable if (text := id_to_text(id)) is not None])

    def _remove(self, documents: Sequence[str]) -> None:
        """Remove only the source's own documents: another source may use the same ids."""
        if documents:
            self._target.registration.enter()
            collection = self._target.collection
            self.summary.removed += collection.delete_documents(documents, self._source.names)

    def _catch_up(self) -> None:
        """Encode again what changed between reading and writing."""
        collection = self._target.collection
        for _ in range(_ROUNDS):
            outrun, collection.outrun = collection.outrun, set()
            if not outrun:
                return
            self._write_again(outrun)
        self.unsettled, collection.outrun = len(collection.outrun), set()

    def _write_again(self, documents: set[str]) -> None:
        """Write the documents as the source has them now."""
        names = sorted(documents)
        for start in range(0, len(names), _TOGETHER):
            some = set(names[start : start + _TOGETHER])
            self._ingest(iter(self._source.of_ids(_twins(some))), again=True)
            self._withdraw_unusable()

    def _present(self, documents: Sequence[str]) -> set[str]:
        """Those that the source has at this moment, in a form that can be encoded."""
        return {document.id for document in self._usable(set(documents))}

    def _usable(self, documents: set[str]) -> list[Document]:
        unusable = list(self._source.unusable)
        there = self._source.of_ids(_twins(documents))
        self._source.unusable = unusable
        return [record for record in there if isinstance(record, Document)]

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
            on_progress=self._on_progress,
            extent=extent or self._later,
        )
        self.summary = self.summary.with_pass(summary) if again else self.summary.added(summary)


def _twins(names: set[str]) -> list[Any]:
    """All `_id`s with the same text: if one is deleted, another takes its place."""
    return [id for name in sorted(names) for id in ids_from_text(name)]


def _nameless(ids: Sequence[Any]) -> list[Any]:
    return [id for id in ids if id_to_text(id) is None]
