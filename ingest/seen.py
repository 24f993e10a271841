"""Which ids a run has met, on disk: a corpus may have more than memory holds."""

import sqlite3

from ingest.document import Document


class Seen:
    """`sources` are the names of those that had a document, also one that is another shard's."""

    def __init__(self) -> None:
        self.sources: set[str] = set()
        # A private temporary file, gone when closed; one thread at a time uses it.
        self._ids = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._ids.execute("PRAGMA journal_mode = OFF")
        self._ids.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, place TEXT) WITHOUT ROWID")

    def before(self, document: Document) -> str | None:
        """Where this id was met first; None, and remembered, if it is new."""
        entry = (document.id, str(document.place))
        if self._ids.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", entry).rowcount:
            return None
        query = "SELECT place FROM seen WHERE id = ?"
        place: str = self._ids.execute(query, (document.id,)).fetchone()[0]
        return place

    def has(self, document: str) -> bool:
        query = "SELECT 1 FROM seen WHERE id = ?"
        return self._ids.execute(query, (document,)).fetchone() is not None

    def close(self) -> None:
        self._ids.close()
