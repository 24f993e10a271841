"""Which ids a run has met, on disk: a corpus may have more than memory holds."""

import sqlite3
from collections.abc import Iterator, Sequence

from ingest.document import Document


class Seen:
    """`sources` are the names of those that had a document, also one that is another shard's."""

    def __init__(self) -> None:
        self.sources: set[str] = set()
        # A private temporary file, gone when closed; one thread at a time uses it.
        self._ids = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._ids.execute("PRAGMA journal_mode = OFF")
        self._ids.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, place TEXT) WITHOUT ROWID")
        self._ids.execute("BEGIN")

    def judged(self, documents: Sequence[Document]) -> Iterator[tuple[Document, str | None]]:
        """Each with the place where its id was met first, None if it is new; now all are known."""
        known = self._places([document.id for document in documents])
        new: dict[str, str] = {}
        for document in documents:
            first = known.get(document.id) or new.get(document.id)
            if first is None:
                new[document.id] = str(document.place)
            yield document, first
        self._ids.executemany("INSERT INTO seen VALUES (?, ?)", new.items())

    def has(self, document: str) -> bool:
        return bool(self._places([document]))

    def close(self) -> None:
        self._ids.close()

    def _places(self, ids: Sequence[str]) -> dict[str, str]:
        asked = ", ".join("?" * len(ids))
        query = f"SELECT id, place FROM seen WHERE id IN ({asked})"
        return dict(self._ids.execute(query, ids).fetchall())
