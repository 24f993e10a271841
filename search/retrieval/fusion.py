"""Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009), here or by the server."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

CONSTANT = 60  # as in the paper and in MongoDB's $rankFusion


def fused(rankings: Iterable[tuple[float, Sequence[str]]]) -> dict[str, float]:
    """Ids to scores, best first: the sum of weight / (60 + rank), rank from 1, over `rankings`.

    Equal scores are in the order of the ids, so that a ranking does not depend on chance.
    """
    scores: dict[str, float] = {}
    for weight, ids in rankings:
        if not weight:
            continue
        for rank, id in enumerate(ids, start=1):
            scores[id] = scores.get(id, 0.0) + weight / (CONSTANT + rank)
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))


def fusion_stages(
    pipelines: Mapping[str, Sequence[Mapping[str, Any]]], weights: Sequence[float], *, limit: int
) -> list[dict[str, Any]]:
    """The same by MongoDB 8.1 and later, in one round trip; the score's name is `score`."""
    weighty = {name: w for name, w in zip(pipelines, weights, strict=True) if w}
    fusion = {
        "input": {"pipelines": {name: pipelines[name] for name in weighty}},
        "combination": {"weights": weighty},
    }
    return [{"$rankFusion": fusion}, {"$limit": limit}]


def of_one_ranking(scores: Sequence[float], weights: Sequence[float]) -> bool:
    """Whether fused scores, best first, look as if all other rankings were empty."""
    return any(
        all(math.isclose(s, w / (CONSTANT + rank)) for rank, s in enumerate(scores, start=1))
        for w in weights
    )
