"""A full-text index in memory: add and remove documents, find the best matches."""

import itertools
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from leafmongo.engine.arrays import best
from leafmongo.engine.errors import Refused, search_error
from leafmongo.engine.index import IndexStats, Match
from leafmongo.engine.text.contents import TextContents
from leafmongo.engine.text.mappings import TextDefinition
from leafmongo.engine.text.match import TextMatcher
from leafmongo.engine.text.query import TextQuery
from leafmongo.engine.text.read import read

_BATCH = 1000  # documents that are read together and added under one lock
_STATS_SECONDS = 0.05


class TextIndex:
    """Safe for threads; searches and changes exclude each other."""

    def __init__(self, definition: TextDefinition) -> None:
        self.definition = definition
        self._lock = threading.Lock()
        self._contents = TextContents(self.definition.analyzers)
        self._last_stats = IndexStats(0, vectors=0)

    def upsert_many(self, docs: Iterable[Mapping[str, Any]]) -> None:
        """Add documents with their `_id`; one that exists is replaced and becomes the newest."""
        documents = iter(docs)
        while chunk := list(itertools.islice(documents, _BATCH)):
            rows = read(chunk, self.definition.mappings)
            with self._lock:
                self._contents.add(rows)

    def remove_many(self, ids: Iterable[Any]) -> None:
        """Remove documents; unknown ids are ignored."""
        with self._lock:
            self._contents.remove(ids)

    def clear(self) -> None:
        with self._lock:
            self._contents = TextContents(self.definition.analyzers)

    def search(self, query: TextQuery, limit: int | None = None) -> list[Match]:
        """Matches, best first, ties by insertion; CommandError if the query is not valid here."""
        with self._lock:
            try:
                matched = TextMatcher(self.definition, self._contents).of(query.operator)
            except Refused as refused:
                raise search_error(str(refused)) from refused
            rows = np.flatnonzero(matched.mask & self._contents.alive.view)
            ids = self._contents.ids
        scores = matched.scores[rows].astype(np.float32)
        order = best(scores, len(rows) if limit is None else limit)
        return [Match(ids[rows[each]], float(scores[each])) for each in order]

    def projection(self) -> dict[str, Any] | None:
        """The fields to read of the collection's documents; None for whole documents."""
        return self.definition.projection()

    def stats(self) -> IndexStats:
        """Statistics; those of the previous call while many texts are being written."""
        if self._lock.acquire(timeout=_STATS_SECONDS):
            try:
                contents = self._contents
                self._last_stats = IndexStats(len(contents), vectors=0, bytes=contents.nbytes)
            finally:
                self._lock.release()
        return self._last_stats
