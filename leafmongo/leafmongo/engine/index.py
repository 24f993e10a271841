"""A vector index in memory: add and remove documents, find the nearest ones."""

import itertools
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import bson

from leafmongo.engine.definition import VectorDefinition
from leafmongo.engine.documents.batch import DECODING, DocumentReader
from leafmongo.engine.documents.contents import IndexContents
from leafmongo.engine.documents.vectors import Vector
from leafmongo.engine.nearest import Candidates, find_documents
from leafmongo.engine.query import VectorQuery, check_query

_BATCH = 1000  # documents that are read together and added under one lock


@dataclass(frozen=True)
class Match:
    """`stored_source` is set if the query requests it."""

    id: Any
    score: float
    stored_source: dict[str, Any] | None = None


@dataclass(frozen=True)
class IndexStats:
    """`skipped` counts documents by the reason why a vector of theirs was not indexed.

    A document may count for several reasons, and may still have a vector in the index.
    """

    documents: int
    vectors: int
    skipped: dict[str, int] = field(default_factory=dict)
    skipped_examples: dict[str, list[Any]] = field(default_factory=dict)
    bytes: int = 0


class VectorIndex:
    """Safe for threads; scoring holds no lock."""

    def __init__(self, definition: VectorDefinition) -> None:
        self.definition = definition
        self._reader = DocumentReader(definition)
        self._lock = threading.Lock()
        self._contents = IndexContents(definition)

    def upsert_many(self, docs: Iterable[Mapping[str, Any]]) -> None:
        """Add documents with their `_id`; one that exists is replaced and becomes the newest."""
        documents = iter(docs)
        while chunk := list(itertools.islice(documents, _BATCH)):
            batch = self._reader.read(chunk)
            with self._lock:
                self._contents.add(batch)

    def remove_many(self, ids: Iterable[Any]) -> None:
        """Remove documents; unknown ids are ignored."""
        with self._lock:
            self._contents.remove(ids)

    def clear(self) -> None:
        with self._lock:
            self._contents = IndexContents(self.definition)

    def search(self, query: VectorQuery) -> list[Match]:
        """At most `limit` matches, best first; CommandError if the query does not fit the index."""
        _, vector = check_query(self.definition, query)
        with self._lock:
            candidates = self._candidates(query, vector)
            ids, sources = self._contents.ids, self._contents.sources
        if candidates is None:
            return []
        slots, scores = find_documents(candidates, query)
        return [
            Match(ids[slot], score, _decode(sources[slot]) if query.return_stored_source else None)
            for slot, score in zip(slots.tolist(), scores.tolist(), strict=True)
        ]

    def projection(self) -> dict[str, Any] | None:
        """The fields to read of the collection's documents; None for whole documents."""
        return self.definition.projection()

    def stats(self) -> IndexStats:
        with self._lock:
            contents = self._contents
            skipped, examples = contents.skipped()
            return IndexStats(len(contents), contents.vectors(), skipped, examples, contents.nbytes)

    def _candidates(self, query: VectorQuery, vector: Vector) -> Candidates | None:
        """Everything that the search needs, unaffected by later changes."""
        contents = self._contents
        nested = self.definition.is_nested(query.path)
        level = contents.elements if nested else contents.documents
        store = level.stores.get((query.path, vector.kind))
        if store is None:
            return None
        kept = contents.alive_units(nested=nested)
        if query.filter is not None:
            passed = level.match(query.filter)
            kept = passed if kept is None else kept & passed
        owners, parents = store.owners.view, query.parent_filter
        return Candidates(
            scorers=store.scorers(vector),
            positions=None if kept is None else kept[owners].nonzero()[0],
            documents=contents.parents.view[owners] if nested else owners,
            parents=None if parents is None else contents.documents.match(parents),
            nested=nested,
        )


def _decode(source: bytes | None) -> dict[str, Any] | None:
    return None if source is None else bson.decode(source, codec_options=DECODING)
