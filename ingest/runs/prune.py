"""Remove stored documents that are gone from their source, after a run that read all of it.

Only documents that were ingested from a source of the same name are ever looked at.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from leafsearch.config.text import counted
from leafsearch.ingest.errors import TargetError
from leafsearch.ingest.pipeline.extent import WHOLE, Seen, Shard
from leafsearch.ingest.pipeline.stats import Summary
from leafsearch.ingest.target.target import Target

_AT_ONCE = 500  # documents of one request


@dataclass(frozen=True)
class Pruning:
    """`sources` are names as stored; `seen` holds the ids of all documents that were met.

    `present` returns which of some documents the source has at this moment, if it can be
    queried.
    """

    target: Target
    sources: Sequence[str]
    seen: Seen
    shard: Shard = WHOLE
    present: Callable[[Sequence[str]], set[str]] = lambda documents: set()

    def remove(self, summary: Summary, *, yes: bool) -> None:
        """Remove documents, and count them and their chunks in `summary`.

        Raises TargetError, unless `yes`, if the source may hold more than could be read.
        """
        if not yes:
            self.require_safety(summary)
        if self.target.is_new:  # nothing is stored
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
            # The source may have got them back just now, and a follower may have seen that already.
            collection.outrun |= self.present(some)

    def gone(self) -> Iterator[str]:
        """Ids of the documents to remove."""
        for document in self.target.collection.documents_of(self.sources):
            if self.shard.holds(document) and not self.seen.has(document):
                yield document

    def is_incomplete(self) -> bool:
        """Whether something is left to remove, because another run wrote meanwhile."""
        gone = self.gone()
        while some := list(islice(gone, _AT_ONCE)):
            if not self.present(some).issuperset(some):
                return True
        return False

    def require_safety(self, read: Summary) -> None:
        """Raises TargetError if only --yes may remove anything, after everything was read."""
        if empty := [source for source in self.sources if source not in self.seen.sources]:
            raise TargetError(
                f"--prune: no documents were read from {', '.join(empty)}, so everything stored "
                "from it would be removed; nothing was removed. Check the source, or give --yes to "
                "remove it"
            )
        # A repeated id was met, so its stored document stays.
        if rejected := read.rejected - read.repeated:
            raise TargetError(
                f"--prune: of {', '.join(self.sources)}, "
                f"{counted(rejected, 'record was', 'records were')} rejected, so what is stored of "
                "them would be removed; nothing was removed. Repair the records, or give --yes"
            )
