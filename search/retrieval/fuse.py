"""Fuse the rankings of vectors and of words, here or on the server.

    rrf     weight / (60 + rank), summed over the rankings: reciprocal rank fusion, Cormack, Clarke
            and Buettcher, SIGIR 2009
    score   weight times the normalised score, averaged over the rankings; 0 where a ranking does
            not have a passage

Normalisations of scores:

    minmax         vectors: (s - least) / (largest - least); words: s / largest, since a passage
                   without any of the words has 0; Bruch, Gai and Ingber, TOIS 2023
    minMaxScaler   (s - least) / (largest - least), for words as well, so a lone hit has 0
    sigmoid        1 / (1 + exp(-s))
    none           s

The last three are those of `$scoreFusion`. A ranking of weight 0 is left out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from leafsearch.search.query import Query

CONSTANT = 60  # as in the paper and in MongoDB's $rankFusion
RANK_FUSION, SCORE_FUSION = "$rankFusion", "$scoreFusion"
VECTOR, TEXT = "vector", "text"  # the rankings, in the order of a query's weights
DETAILS = "details"  # field with what each ranking gives


@dataclass(frozen=True)
class Candidate:
    chunk: dict[str, Any]
    score: float
    similarity: float


def fuse(rankings: Sequence[Sequence[Candidate]], query: Query) -> list[Candidate]:
    """Candidates of both rankings, best first; equal ones by id, not by chance."""
    there = {c.chunk["_id"]: c for ranking in reversed(rankings) for c in ranking}
    weighty = [(w, r) for w, r in zip(query.weights, rankings, strict=True) if w]
    if query.fusion == "rrf":
        scores = fuse_ranks([(w, [c.chunk["_id"] for c in r]) for w, r in weighty])
    else:
        words = rankings[1]
        scores = fuse_scores(
            [(w, normalise(_scores(r), query.normalization, words=r is words)) for w, r in weighty]
        )
    return [replace(there[id], score=score) for id, score in scores.items()]


def fuse_ranks(rankings: Sequence[tuple[float, Sequence[str]]]) -> dict[str, float]:
    """Ids to scores, best first, of weighted rankings."""
    scores: dict[str, float] = {}
    for weight, ids in rankings:
        for rank, id in enumerate(ids, start=1):
            scores[id] = scores.get(id, 0.0) + weight / (CONSTANT + rank)
    return _best_first(scores)


def fuse_scores(rankings: Sequence[tuple[float, Mapping[str, float]]]) -> dict[str, float]:
    """Ids to scores, best first, of weighted and normalised scores by id."""
    ids = {id for _, scores in rankings for id in scores}
    return _best_first(
        {id: math.fsum(w * s.get(id, 0.0) for w, s in rankings) / len(rankings) for id in ids}
    )


def normalise(
    scores: Mapping[str, float], normalization: str | None, *, words: bool
) -> dict[str, float]:
    if normalization == "none" or not scores:
        return dict(scores)
    if normalization == "sigmoid":
        return {id: 1 / (1 + math.exp(-score)) for id, score in scores.items()}
    is_servers = normalization == "minMaxScaler"
    largest = max(scores.values())
    least = 0.0 if words and not is_servers else min(scores.values())
    span, alone = largest - least, 0.0 if is_servers else 1.0
    return {id: (score - least) / span if span else alone for id, score in scores.items()}


def server_stage(query: Query) -> str | None:
    """The stage that fuses as the query asks; None if no server has one."""
    if query.fusion == "rrf":
        return RANK_FUSION
    return SCORE_FUSION if query.normalization in ("minMaxScaler", "sigmoid", "none") else None


def fusion_stages(
    pipelines: Mapping[str, Sequence[Mapping[str, Any]]], query: Query, *, limit: int
) -> list[dict[str, Any]]:
    """Stages that fuse on the server: by ranks from MongoDB 8.1 on, by scores from 8.2 on."""
    weighty = {name: w for name, w in zip(pipelines, query.weights, strict=True) if w}
    chosen = {name: pipelines[name] for name in weighty}
    if query.fusion == "rrf":
        ranks = {"input": {"pipelines": chosen}, "combination": {"weights": weighty}}
        return [{RANK_FUSION: ranks}, {"$limit": limit}]
    # Not as `weights`, which the server applies before minMaxScaler, where they have no effect.
    weighed = [{"$multiply": [f"$${name}", weight]} for name, weight in weighty.items()]
    fusion = {
        "input": {"pipelines": chosen, "normalization": query.normalization},
        "combination": {"method": "expression", "expression": {"$avg": weighed}},
        "scoreDetails": True,
    }
    return [{SCORE_FUSION: fusion}, {"$limit": limit}]


def is_one_ranking(found: Sequence[Mapping[str, Any]], query: Query) -> bool:
    """Whether what the server fused, best first, looks as if all other rankings were empty."""
    if query.fusion == "rrf":
        ranked = [(chunk["score"], rank) for rank, chunk in enumerate(found, start=1)]
        return any(
            all(math.isclose(score, w / (CONSTANT + rank)) for score, rank in ranked)
            for w in query.weights
        )
    filled = {
        part["inputPipelineName"]
        for chunk in found
        for part in (chunk.get(DETAILS) or {}).get("details", ())
        if part.get("inputPipelineRawScore")
    }
    return len(filled) < len(query.weights)


def _scores(ranking: Sequence[Candidate]) -> dict[str, float]:
    return {c.chunk["_id"]: c.score for c in ranking}


def _best_first(scores: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))
