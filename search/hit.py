"""A passage that was found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vectors import Manifest, StoredChunk


@dataclass(frozen=True)
class Hit:
    """`score` is MongoDB's own number; `similarity` the plain cosine, from -1 to 1.

    For binary storage the similarity is that of the float query to the stored bits, and hits are
    in its order; else both orders are the same.
    """

    id: str
    document: str
    position: int
    text: str
    metadata: Mapping[str, Any]
    score: float
    similarity: float


def to_hit(chunk: StoredChunk, similarity: float) -> Hit:
    return Hit(
        id=chunk["_id"],
        document=chunk["document"],
        position=chunk["position"],
        text=chunk["text"],
        metadata=chunk["metadata"],
        score=chunk["score"],
        similarity=similarity,
    )


def cosine_of(score: float, manifest: Manifest) -> float:
    """MongoDB scores cosine c, and the dot product of unit vectors, as (1 + c) / 2."""
    if manifest.similarity == "euclidean":
        raise ValueError("Hamming scores say nothing of the cosine with the float query")
    return 2 * score - 1
