"""How much of a corpus a run covers: its shard, the ids it has seen, the rejects it allows."""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

from leafsearch.config.text import escape_surrogates
from leafsearch.ingest.document import Document
from leafsearch.ingest.pipeline.queue import Stopped


@dataclass(frozen=True)
class Shard:
    """The `index`-th of `count` shards, from 1. A document's id alone decides, on every machine
    alike."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Parse `i/n`. Raises ValueError, as a phrase."""
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and int(count)):
            raise ValueError("expected i/n, like 1/4 on the first of four machines")
        if not 1 <= int(index) <= int(count):
            raise ValueError(f"expected 1/{count} to {count}/{count}")
        return cls(int(index), int(count))

    def holds(self, document: str) -> bool:
        if self.count == 1:
            return True
        hashed = hashlib.blake2b(document.encode(), digest_size=8).digest()
        return int.from_bytes(hashed, "big") % self.count == self.index - 1


WHOLE = Shard()


class Seen:
    """Ids that a run has met, on disk: a corpus may have more than fit in memory.

    `sources` are the names of sources that had a document, even if it belongs to another shard.
    An interrupted run closes this while the reading thread may still use it; that thread gets
    Stopped.
    """

    def __init__(self) -> None:
        self.sources: set[str] = set()
        # SQLite crashes the process if one thread closes a connection that another thread uses.
        self._using = Lock()
        self._is_closed = False
        # A private temporary file, deleted on close.
        self._ids = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._ids.execute("PRAGMA journal_mode = OFF")
        table = "seen (id TEXT PRIMARY KEY, place TEXT, number INTEGER) WITHOUT ROWID"
        self._ids.execute(f"CREATE TABLE {table}")
        self._ids.execute("BEGIN")
        self._count = 0

    def judged(self, documents: Sequence[Document]) -> Iterator[tuple[Document, str | None]]:
        """Each document with the place where its id was met first, None if the id is new;
        records the ids."""
        first = self._count
        self._count += len(documents)
        rows = [(d.id, escape_surrogates(str(d.place)), first + n) for n, d in enumerate(documents)]
        insert = "INSERT OR IGNORE INTO seen VALUES (?, ?, ?)"
        with self._using:
            self._require_open()
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

    def _require_open(self) -> None:
        if self._is_closed:
            raise Stopped

    def _places(self, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
        """The first place of each id, with the number of the document there."""
        asked = ", ".join("?" * len(ids))
        query = f"SELECT id, place, number FROM seen WHERE id IN ({asked})"
        with self._using:
            self._require_open()
            found = self._ids.execute(query, ids).fetchall()
        return {id: (place, number) for id, place, number in found}


@dataclass(frozen=True)
class Extent:
    """More than `most_rejects` end the run; None allows any number. `seen`, if given, holds the
    ids of all documents of this shard afterwards."""

    seen: Seen | None = None
    shard: Shard = WHOLE
    most_rejects: int | None = None


ALL = Extent()
