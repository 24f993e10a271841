"""Removing what has left the source: stored documents of it that a whole run did not meet.

Only documents that were ingested from a source of the same name are ever looked at.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ingest.errors import TargetError
from ingest.seen import Seen
from ingest.shard import WHOLE, Shard
from ingest.summary import Summary
from ingest.target import Target

_AT_ONCE = 500  # documents of one request


@dataclass(frozen=True)
class Pruning:
    """`sources` are names as stored; `seen` knows the ids of all documents that were met."""

    target: Target
    sources: Sequence[str]
    seen: Seen
    shard: Shard = WHOLE

    def remove(self, summary: Summary, *, yes: bool) -> None:
        """Documents and chunks are counted in `summary`.

        Raises TargetError, unless `yes`, where the source may hold more than could be read of it.
        """
        if not yes:
            # What is met twice is met, so that nothing of it is removed.
            self.demand_safety(summary.rejected - summary.repeated)
        if self.target.is_new:  # nothing was ever stored
            return
        self.target.collection.index_sources()
        gone = self.gone()
        while some := list(islice(gone, _AT_ONCE)):
            summary.removed += self.target.collection.delete_documents(some, self.sources)
            summary.pruned += len(some)

    def gone(self) -> Iterator[str]:
        """Ids of the documents that would be removed."""
        for document in self.target.collection.documents_of(self.sources):
            if self.shard.holds(document) and not self.seen.has(document):
                yield document

    def demand_safety(self, rejected: int) -> None:
        """Raises TargetError where only --yes may remove anything."""
        if empty := [source for source in self.sources if source not in self.seen.sources]:
            raise TargetError(
                f"--prune: no documents were read from {', '.join(empty)}, so all that is stored "
                "of it would be removed; nothing was: check the source, or give --yes if it is "
                "meant"
            )
        if rejected:
            raise TargetError(
                f"--prune: {rejected} records of {', '.join(self.sources)} were rejected, and what "
                "is stored of them would be removed; nothing was: mend them, or give --yes if it "
                "is meant"
            )
