"""Documents of a follower that a run beside it may still undo, since it read them before."""

from collections.abc import Iterable

from leafsearch.ingest.pipeline.claims import Claims
from leafsearch.vectors import Collection
from leafsearch.vectors.store.writers import Active


class Watched:
    """A run that was active when the follower wrote a document may have read it earlier, and write
    that later, when the follower looks no more: no event of the change stream will tell it. So the
    document is written once more, as the source has it, when each of those runs has taken another
    turn or has ended. Runs that begin later read what the follower has read.
    """

    def __init__(self) -> None:
        self._newer: set[str] = set()
        self._older: set[str] = set()
        self._beside_older: Active = frozenset()  # those that may still undo the older ones
        self._pass: Claims | None = None
        self._beside_pass: Active = frozenset()

    @property
    def is_any(self) -> bool:
        return bool(self._newer or self._older or self._pass)

    def add(self, documents: Iterable[str]) -> None:
        """Written beside others a moment ago."""
        self._newer.update(documents)

    def add_pass(self, claims: Claims, beside: Active) -> None:
        """What a pass over the whole source claims; there may be more of it than memory holds."""
        self.close()
        self._pass, self._beside_pass = claims, beside

    def doubtful(self, collection: Collection, beside: Active) -> set[str]:
        """What is to be written once more, with these runs active."""
        documents = self._newer | self._older
        if self._pass is not None and beside.isdisjoint(self._beside_pass):
            documents.update(self._pass.broken(collection))
        return documents

    def forget(self, beside: Active) -> None:
        """After all that was `doubtful` with these runs active is written once more."""
        if beside.isdisjoint(self._beside_pass):
            self.close()
        if beside.isdisjoint(self._beside_older):
            self._older = self._newer if beside else set()
            self._newer, self._beside_older = set(), beside

    def close(self) -> None:
        if self._pass is not None:
            self._pass.close()
        self._pass, self._beside_pass = None, frozenset()
