"""A vector index in memory: documents in, documents out, the nearest ones found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.engine.definition import VectorDefinition
from local.engine.query import VectorQuery


@dataclass(frozen=True)
class Match:
    """`stored_source` only where the query asks for it."""

    id: Any
    score: float
    stored_source: dict[str, Any] | None = None


@dataclass(frozen=True)
class IndexStats:
    """`skipped` counts documents, by what kept a vector of theirs out of the index."""

    documents: int
    vectors: int
    skipped: dict[str, int] = field(default_factory=dict)
    skipped_examples: dict[str, list[Any]] = field(default_factory=dict)
    bytes: int = 0


class VectorIndex:
    def __init__(self, definition: VectorDefinition) -> None:
        self.definition = definition

    def upsert_many(self, docs: Iterable[Mapping[str, Any]]) -> None:
        raise NotImplementedError

    def remove_many(self, ids: Iterable[Any]) -> None:
        raise NotImplementedError

    def clear(self) -> None:
        raise NotImplementedError

    def search(self, query: VectorQuery) -> list[Match]:
        raise NotImplementedError

    def projection(self) -> dict[str, Any] | None:
        raise NotImplementedError

    def stats(self) -> IndexStats:
        raise NotImplementedError
