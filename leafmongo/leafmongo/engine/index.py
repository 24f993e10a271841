"""A vector index in memory: documents in, documents out, the nearest ones found."""

import itertools
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import bson

from leafmongo.engine.checks import check_query
from leafmongo.engine.definition import VectorDefinition
from leafmongo.engine.documents.batch import DECODING, DocumentReader
from leafmongo.engine.documents.contents import Contents
from leafmongo.engine.documents.projection import projection
from leafmongo.engine.documents.vectors import Vector
from leafmongo.engine.query import VectorQuery
from leafmongo.engine.scorers.nearest import Candidates, nearest_documents

_BATCH = 1000  # documents read at a time, and entered under one hold of the lock


@dataclass(frozen=True)
class Match:
    """`stored_source` only where the query asks for it."""

    id: Any
    score: float
    stored_source: dict[str, Any] | None = None


@dataclass(frozen=True)
class IndexStats:
    """`skipped` counts documents, by what kept a vector of theirs out of the index.

    A document may count under several reasons, and may still have a vector in the index.
    """

    documents: int
    vectors: int
    skipped: dict[str, int] = field(default_factory=dict)
    skipped_examples: dict[str, list[Any]] = field(default_factory=dict)
    bytes: int = 0


class VectorIndex:
    """Searches and changes may come from several threads; scoring holds no lock."""

    def __init__(self, definition: VectorDefinition) -> None:
        self.definition = definition
        self._reader = DocumentReader(definition)
        self._lock = threading.Lock()
        self._contents = Contents(definition)

    def upsert_many(self, docs: Iterable[Mapping[str, Any]]) -> None:
        """Each has its `_id`; one that is already there is replaced and counts as the newest."""
        documents = iter(docs)
        while chunk := list(itertools.islice(documents, _BATCH)):
            batch = self._reader.read(chunk)
            with self._lock:
                self._contents.add(batch)

    def remove_many(self, ids: Iterable[Any]) -> None:
        """Ids that are not there are no error."""
        with self._lock:
            self._contents.remove(ids)

    def clear(self) -> None:
        with self._lock:
            self._contents = Contents(self.definition)

    def search(self, query: VectorQuery) -> list[Match]:
        """Best first, at most `limit`; CommandError where the query does not fit the index."""
        _, vector = check_query(self.definition, query)
        with self._lock:
            candidates = self._candidates(query, vector)
            ids, sources = self._contents.ids, self._contents.sources
        if candidates is None:
            return []
        slots, scores = nearest_documents(candidates, query)
        return [
            Match(ids[slot], score, _decoded(sources[slot]) if query.return_stored_source else None)
            for slot, score in zip(slots.tolist(), scores.tolist(), strict=True)
        ]

    def projection(self) -> dict[str, Any] | None:
        """What to read of the collection's documents; None for all of it."""
        return projection(self.definition)

    def stats(self) -> IndexStats:
        with self._lock:
            contents = self._contents
            skipped, examples = contents.skipped()
            return IndexStats(len(contents), contents.vectors(), skipped, examples, contents.nbytes)

    def _candidates(self, query: VectorQuery, vector: Vector) -> Candidates | None:
        """A view of everything the search needs, which later changes leave as it is."""
        contents = self._contents
        nested = self.definition.is_nested(query.path)
        level = contents.elements if nested else contents.documents
        store = level.stores.get((query.path, vector.kind))
        if store is None:
            return None
        kept = contents.alive_units(nested=nested)
        if query.filter is not None:
            passed = level.matching(query.filter)
            kept = passed if kept is None else kept & passed
        owners, parents = store.owners.view, query.parent_filter
        return Candidates(
            scorers=store.scorers(vector),
            positions=None if kept is None else kept[owners].nonzero()[0],
            documents=contents.parents.view[owners] if nested else owners,
            parents=None if parents is None else contents.documents.matching(parents),
            nested=nested,
        )


def _decoded(source: bytes | None) -> dict[str, Any] | None:
    return None if source is None else bson.decode(source, codec_options=DECODING)
