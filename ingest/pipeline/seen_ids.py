"""Which ids a run has met, on disk: a corpus may have more than memory holds."""

import sqlite3
from collections.abc import Iterator, Sequence
from threading import Lock

from leafsearch.config.text import escape_surrogates
from leafsearch.ingest.document import Document
from leafsearch.ingest.pipeline.queue import Stopped


class Seen:
    """`sources` are the names of those that had a document, also one that is another shard's.

    A run that is interrupted closes it while the thread that reads may still ask: then that thread
    hears Stopped.
    """

    def __init__(self) -> None:
        self.sources: set[str] = set()
        # SQLite crashes the process where one thread closes what another one uses.
        self._using = Lock()
        self._is_closed = False
        # A private temporary file, gone when closed.
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
        insert = "INSERT OR IGNORE INTO seen VALUES (?, ?, ?)"
        with self._using:
            self._demand_open()
            added = self._ids.executemany(insert, rows).rowcount
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
        with self._using:
            self._is_closed = True
            self._ids.close()

    def _demand_open(self) -> None:
        if self._is_closed:
            raise Stopped

    def _places(self, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
        """With the number of the document that was met there."""
        asked = ", ".join("?" * len(ids))
        query = f"SELECT id, place, number FROM seen WHERE id IN ({asked})"
        with self._using:
            self._demand_open()
            found = self._ids.execute(query, ids).fetchall()
        return {id: (place, number) for id, place, number in found}
