"""A full-text index in memory: documents in, documents out, the best matches found."""

import itertools
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from leafmongo.engine.errors import Refused, search_error
from leafmongo.engine.index import IndexStats, Match
from leafmongo.engine.scorers.topk import best
from leafmongo.engine.text.contents import TextContents
from leafmongo.engine.text.mappings import TextDefinition
from leafmongo.engine.text.match import Matching
from leafmongo.engine.text.query import TextQuery
from leafmongo.engine.text.read import read

_BATCH = 1000  # documents read at a time, and entered under one hold of the lock
_STATS_SECONDS = 0.05


class TextIndex:
    """Searches and changes may come from several threads; they take turns."""

    def __init__(self, definition: TextDefinition) -> None:
        self.definition = definition
        self._lock = threading.Lock()
        self._contents = TextContents()
        self._told = IndexStats(0, vectors=0)

    def upsert_many(self, docs: Iterable[Mapping[str, Any]]) -> None:
        """Each has its `_id`; one that is already there is replaced and counts as the newest."""
        documents = iter(docs)
        while chunk := list(itertools.islice(documents, _BATCH)):
            rows = read(chunk, self.definition.mappings)
            with self._lock:
                self._contents.add(rows)

    def remove_many(self, ids: Iterable[Any]) -> None:
        """Ids that are not there are no error."""
        with self._lock:
            self._contents.remove(ids)

    def clear(self) -> None:
        with self._lock:
            self._contents = TextContents()

    def search(self, query: TextQuery, limit: int | None = None) -> list[Match]:
        """Best first, the earlier of equals first; CommandError where it does not fit the index."""
        with self._lock:
            try:
                matched = Matching(self.definition, self._contents).of(query.operator)
            except Refused as refused:
                raise search_error(str(refused)) from refused
            rows = np.flatnonzero(matched.mask & self._contents.alive.view)
            ids = self._contents.ids
        scores = matched.scores[rows].astype(np.float32)
        order = best(scores, len(rows) if limit is None else limit)
        return [Match(ids[rows[each]], float(scores[each])) for each in order]

    def projection(self) -> dict[str, Any] | None:
        """What to read of the collection's documents; None for all of it."""
        return self.definition.projection()

    def stats(self) -> IndexStats:
        """Of a moment ago where many words are just being written, which takes seconds."""
        if self._lock.acquire(timeout=_STATS_SECONDS):
            try:
                contents = self._contents
                self._told = IndexStats(len(contents), vectors=0, bytes=contents.nbytes)
            finally:
                self._lock.release()
        return self._told
