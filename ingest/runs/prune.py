"""Removing what has left the source: stored documents of it that a whole run did not meet.

Only documents that were ingested from a source of the same name are ever looked at.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from leafsearch.ingest.errors import TargetError
from leafsearch.ingest.pipeline.extent import WHOLE, Seen, Shard
from leafsearch.ingest.pipeline.stats import Summary
from leafsearch.ingest.target.target import Target

_AT_ONCE = 500  # documents of one request


@dataclass(frozen=True)
class Pruning:
    """`sources` are names as stored; `seen` knows the ids of all documents that were met.

    `present` says which of some documents the source has at this moment, where it can be asked.
    """

    target: Target
    sources: Sequence[str]
    seen: Seen
    shard: Shard = WHOLE
    present: Callable[[Sequence[str]], set[str]] = lambda documents: set()

    def remove(self, summary: Summary, *, yes: bool) -> None:
        """Documents and chunks are counted in `summary`.

        Raises TargetError, unless `yes`, where the source may hold more than could be read of it.
        """
        if not yes:
            self.require_safety(summary)
        if self.target.is_new:  # nothing was ever stored
            return
        collection = self.target.collection
        self.target.registration.enter()
        collection.index_sources()
        gone = self.gone()
        while some := list(islice(gone, _AT_ONCE)):
            kept = self.present(some)
            some = [document for document in some if document not in kept]
            summary.removed += collection.delete_documents(some, self.sources)
            summary.pruned += len(some)
            # The source got them back at this moment, and a follower may have seen that before.
            collection.outrun |= self.present(some)

    def gone(self) -> Iterator[str]:
        """Ids of the documents that would be removed."""
        for document in self.target.collection.documents_of(self.sources):
            if self.shard.holds(document) and not self.seen.has(document):
                yield document

    def is_incomplete(self) -> bool:
        """Whether there is something to remove, as another run may have written meanwhile."""
        gone = self.gone()
        while some := list(islice(gone, _AT_ONCE)):
            if not self.present(some).issuperset(some):
                return True
        return False

    def require_safety(self, read: Summary) -> None:
        """Raises TargetError where only --yes may remove anything, after all was read."""
        if empty := [source for source in self.sources if source not in self.seen.sources]:
            raise TargetError(
                f"--prune: no documents were read from {', '.join(empty)}, so all that is stored "
                "of it would be removed; nothing was: check the source, or give --yes if it is "
                "meant"
            )
        # What is met twice is met, so that nothing of it is removed.
        if rejected := read.rejected - read.repeated:
            raise TargetError(
                f"--prune: {rejected} records of {', '.join(self.sources)} were rejected, and what "
                "is stored of them would be removed; nothing was: mend them, or give --yes if it "
                "is meant"
            )
