"""A passage that was found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Hit:
    """`similarity` is the plain cosine, from -1 to 1; `score` is what hits are ordered by.

    `score` is MongoDB's own number, the fused reciprocal ranks of a hybrid search, or a
    reranker's score. For bits, `similarity` compares the float query with the stored bits, or
    without rescoring the query's bits with them. `context` is the passage with its neighbours,
    if they were requested. `place` tells where in its source the passage stands, with the keys
    that are known: page, last_page, sheet, row, last_row, heading (a trail), anchor, symbol, time,
    lines (the first and the last). Fields that were not requested are empty.
    """

    id: str
    document: str
    position: int
    text: str
    metadata: Mapping[str, Any]
    score: float
    similarity: float
    context: str = ""
    place: Mapping[str, Any] = field(default_factory=dict)
