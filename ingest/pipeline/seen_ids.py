"""Which ids a run has met, on disk: a corpus may have more than memory holds."""

import sqlite3
from collections.abc import Iterator, Sequence

from leafsearch.config.text import escape_surrogates
from leafsearch.ingest.document import Document


class Seen:
    """`sources` are the names of those that had a document, also one that is another shard's."""

    def __init__(self) -> None:
        self.sources: set[str] = set()
        # A private temporary file, gone when closed; one thread at a time uses it.
        self._ids = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._ids.execute("PRAGMA journal_mode = OFF")
        table = "seen (id TEXT PRIMARY KEY, place TEXT, number INTEGER) WITHOUT ROWID"
        self._ids.execute(f"CREATE TABLE {table}")
        self._ids.execute("BEGIN")
        self._count = 0

    def judged(self, documents: Sequence[Document]) -> Iterator[tuple[Document, str | None]]:
        """Each with the place where its id was met first, None if it is new; now all are known."""
        first = self._count
        self._count += len(documents)
        rows = [(d.id, escape_surrogates(str(d.place)), first + n) for n, d in enumerate(documents)]
        added = self._ids.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", rows).rowcount
        if added == len(documents):
            yield from ((document, None) for document in documents)
            return
        known = self._places([document.id for document in documents])
        for document, (id, _, number) in zip(documents, rows, strict=True):
            place, owner = known[id]
            yield document, None if owner == number else place

    def has(self, document: str) -> bool:
        return bool(self._places([document]))

    def close(self) -> None:
        self._ids.close()

    def _places(self, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
        """With the number of the document that was met there."""
        asked = ", ".join("?" * len(ids))
        query = f"SELECT id, place, number FROM seen WHERE id IN ({asked})"
        return {id: (place, number) for id, place, number in self._ids.execute(query, ids)}
