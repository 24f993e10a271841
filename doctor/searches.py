"""Stored vectors as questions: what an exact search finds for them, and what an approximate one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leafsearch.doctor.index import IndexEntry
from leafsearch.doctor.sample import StoredKind, StoredVector
from leafsearch.vectors.store import nearest_stage, projection

K = 10  # neighbours that are compared
DEEP = 50  # hits of an exact search, so that those as good as the tenth are mostly among them
_ROUNDING = 1e-5  # of a score

Run = Callable[[Sequence[Mapping[str, Any]]], list[dict[str, Any]]]


@dataclass(frozen=True)
class Neighbour:
    id: Any
    score: float


@dataclass(frozen=True)
class Probe:
    """`hits`: the DEEP nearest by exact search, best first."""

    id: Any
    stored: StoredVector
    hits: Sequence[Neighbour]

    @property
    def others(self) -> list[Neighbour]:
        return [hit for hit in self.hits if hit.id != self.id]

    def finds_itself(self, index: IndexEntry) -> bool:
        """True as well if more than DEEP others are as near to it as it is to itself."""
        if any(hit.id == self.id for hit in self.hits):
            return True
        own = _own_score(self.stored, index.similarity)
        return len(self.hits) == DEEP and self.hits[-1].score >= own - _ROUNDING

    def recall(self, hits: Sequence[Neighbour], index: IndexEntry) -> float:
        """Share of the K nearest others that `hits` has; one as near as the K-th is as good."""
        best = self.others[:K]
        least = best[-1].score - _ROUNDING
        good = [hit.id for hit in self.others if hit.score >= least]
        found = [hit for hit in hits if hit.id != self.id][: len(best)]
        # The scores of scalar quantization are approximate themselves, so only ids count there.
        exact = index.quantization != "scalar"
        right = [hit for hit in found if hit.id in good or (exact and hit.score >= least)]
        return len(right) / len(best)


def nearest(
    run: Run,
    stored: StoredVector,
    index: IndexEntry,
    *,
    limit: int,
    num_candidates: int | None = None,
) -> list[Neighbour]:
    """`num_candidates` None asks for exact search."""
    stage = nearest_stage(
        stored.raw,
        index=index.name,
        path=index.path,
        limit=limit,
        num_candidates=num_candidates,
    )
    pipeline = [stage, projection(["_id"], "vectorSearchScore")]
    return [Neighbour(found["_id"], float(found["score"])) for found in run(pipeline)]


def _own_score(stored: StoredVector, similarity: str) -> float:
    """What the server gives a vector that is compared with itself."""
    if similarity != "dotProduct":
        return 1.0
    if stored.kind is StoredKind.INT8:
        return 0.5 + stored.norm**2 / (stored.dimensions * 32768)
    return (1 + stored.norm**2) / 2
