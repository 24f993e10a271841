"""A passage that was found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Hit:
    """`similarity` is the plain cosine, from -1 to 1; `score` what put the hit in its place.

    `score` is MongoDB's own number, the fused reciprocal ranks of a hybrid search, or what a
    reranker gave. For bits `similarity` is that of the float query to the stored bits, or without
    re-scoring that of the query's bits to them. `context` is the passage with its neighbours, if
    they were asked for. Fields that were left out of the answer are empty.
    """

    id: str
    document: str
    position: int
    text: str
    metadata: Mapping[str, Any]
    score: float
    similarity: float
    context: str = ""
