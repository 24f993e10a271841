"""Rankings are fused by ranks and by scores, as on paper."""

import math
from typing import Any

import pytest

from leafsearch.search.query import Query
from leafsearch.search.retrieval.fuse import (
    Candidate,
    fuse,
    fuse_ranks,
    fuse_scores,
    fusion_stages,
    is_one_ranking,
    normalise,
    server_stage,
)

SCORES = {"a": 4.0, "b": 2.0, "c": 1.0}
PIPELINES: dict[str, Any] = {"vector": [{"$vectorSearch": 1}], "text": [{"$search": 2}]}


def ranking(**scores: float) -> list[Candidate]:
    return [Candidate({"_id": id}, score, 0.5) for id, score in scores.items()]


def test_reciprocal_ranks_are_summed_by_weight() -> None:
    assert fuse_ranks([(1.0, ["a", "b"]), (0.5, ["b", "c"])]) == pytest.approx(
        {"b": 1 / 62 + 0.5 / 61, "a": 1 / 61, "c": 0.5 / 62}
    )
    assert list(fuse_ranks([(1.0, ["b"]), (1.0, ["a"])])) == ["a", "b"]


def test_scores_are_averaged_by_weight() -> None:
    """A ranking without the passage counts 0."""
    assert fuse_scores([(1.0, {"a": 1.0, "b": 0.5}), (0.5, {"b": 1.0})]) == pytest.approx(
        {"a": 0.5, "b": 0.5}
    )


@pytest.mark.parametrize(
    ("normalization", "words", "expected"),
    [
        (None, False, [1.0, 1 / 3, 0.0]),
        ("minmax", False, [1.0, 1 / 3, 0.0]),
        ("minmax", True, [1.0, 0.5, 0.25]),
        ("minMaxScaler", True, [1.0, 1 / 3, 0.0]),
        ("sigmoid", True, [1 / (1 + math.exp(-s)) for s in (4, 2, 1)]),
        ("none", True, [4.0, 2.0, 1.0]),
    ],
)
def test_scores_are_normalised(
    normalization: str | None, words: bool, expected: list[float]
) -> None:
    found = normalise(SCORES, normalization, words=words)

    assert list(found.values()) == pytest.approx(expected)


@pytest.mark.parametrize("words", [False, True])
def test_a_lone_hit_counts_but_not_by_the_servers_min_max(words: bool) -> None:
    assert normalise({"a": 3.0}, "minmax", words=words) == {"a": 1.0}
    assert normalise({"a": 3.0}, "minMaxScaler", words=words) == {"a": 0.0}
    assert normalise({}, "minmax", words=words) == {}


def test_a_ranking_without_weight_is_left_out() -> None:
    rankings = [ranking(a=0.9, b=0.8), ranking(c=7.0)]

    for hybrid in ("score", "rrf"):
        found = fuse(rankings, Query(hybrid=hybrid, weights=(0, 1)))

        assert [c.chunk["_id"] for c in found] == ["c"]


def test_equal_scores_are_in_the_order_of_ids() -> None:
    found = fuse([ranking(b=0.9, a=0.9), ranking()], Query(hybrid=True))

    assert [(c.chunk["_id"], c.score) for c in found] == [("a", 0.5), ("b", 0.5)]


def test_the_server_weighs_after_the_normalization() -> None:
    query = Query(hybrid="score", normalization="minMaxScaler", weights=(0.3, 0.7))

    fusion, limit = fusion_stages(PIPELINES, query, limit=20)

    assert limit == {"$limit": 20}
    assert fusion["$scoreFusion"] == {
        "input": {"pipelines": PIPELINES, "normalization": "minMaxScaler"},
        "combination": {
            "method": "expression",
            "expression": {
                "$avg": [{"$multiply": ["$$vector", 0.3]}, {"$multiply": ["$$text", 0.7]}]
            },
        },
        "scoreDetails": True,
    }


def test_the_server_fuses_by_ranks() -> None:
    (fusion, _) = fusion_stages(PIPELINES, Query(hybrid="rrf", weights=(0, 2)), limit=20)

    assert fusion["$rankFusion"] == {
        "input": {"pipelines": {"text": PIPELINES["text"]}},
        "combination": {"weights": {"text": 2}},
    }


@pytest.mark.parametrize(
    ("query", "stage"),
    [
        (Query(hybrid="rrf"), "$rankFusion"),
        (Query(hybrid=True), None),
        (Query(hybrid="score", normalization="minmax"), None),
        (Query(hybrid="score", normalization="sigmoid"), "$scoreFusion"),
        (Query(hybrid=True, normalization="none"), "$scoreFusion"),
    ],
    ids=str,
)
def test_the_server_fuses_what_it_can(query: Query, stage: str | None) -> None:
    assert server_stage(query) == stage


def test_a_ranking_that_gave_nothing_is_seen() -> None:
    def found(**raw: float) -> dict[str, Any]:
        parts = [{"inputPipelineName": n, "inputPipelineRawScore": s} for n, s in raw.items()]
        return {"score": 1.0, "details": {"details": parts}}

    query = Query(hybrid="score", normalization="none")

    assert is_one_ranking([found(vector=0.9, text=0)], query)
    assert not is_one_ranking([found(vector=0.9, text=0), found(vector=0, text=3.0)], query)
    assert is_one_ranking([{"score": 1 / 61}, {"score": 1 / 62}], Query(hybrid="rrf"))
    assert not is_one_ranking([{"score": 2 / 61}], Query(hybrid="rrf"))
