import random

import pytest
import pytrec_eval

from leafsearch.evaluation.measures import (
    ndcg,
    overlap,
    pareto_front,
    ranking,
    recall,
    reciprocal_rank,
)


def test_the_example_by_hand() -> None:
    ranked, grades = ["x", "a", "y"], {"a": 2, "b": 1}

    assert ndcg(ranked, grades, 10) == pytest.approx(1.2619 / 2.6309, abs=1e-4)
    assert (recall(ranked, grades, 10), reciprocal_rank(ranked, grades, 10)) == (0.5, 0.5)


@pytest.mark.parametrize("seed", range(20))
def test_graded_and_tied_rankings_measure_as_with_trec_eval(seed: int) -> None:
    grades, scores = made_up(random.Random(seed))
    first_ten = {q: dict.fromkeys(ranking(found)[:10], 0.0) for q, found in scores.items()}
    for found in first_ten.values():
        found.update({id: -float(rank) for rank, id in enumerate(found)})

    theirs = pytrec_eval.RelevanceEvaluator(grades, {"ndcg_cut.10", "recall.100"}).evaluate(scores)
    ranks = pytrec_eval.RelevanceEvaluator(grades, {"recip_rank"}).evaluate(first_ten)

    for query, found in scores.items():
        ranked = ranking(found)
        assert ndcg(ranked, grades[query], 10) == pytest.approx(
            theirs[query]["ndcg_cut_10"], abs=1e-6
        )
        assert recall(ranked, grades[query], 100) == pytest.approx(
            theirs[query]["recall_100"], abs=1e-6
        )
        assert reciprocal_rank(ranked, grades[query], 10) == pytest.approx(
            ranks[query]["recip_rank"], abs=1e-6
        )


def made_up(
    chance: random.Random,
) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    """Grades and scores of 20 queries: grades from -2 to 3, and scores of which many are equal."""
    ids = [f"d{n}" for n in range(300)]
    queries = [f"q{n}" for n in range(20)]
    grades = {
        q: {d: chance.randint(-2, 3) for d in chance.sample(ids, chance.randint(1, 150))}
        for q in queries
    }
    scores = {
        q: {d: chance.randint(0, 12) / 12 for d in chance.sample(ids, chance.randint(1, 200))}
        for q in queries
    }
    return grades, scores


def test_scores_that_differ_in_double_precision_only_are_ties() -> None:
    assert ranking({"a": 0.5 + 1e-12, "b": 0.5, "c": 0.6}) == ["c", "b", "a"]


def test_a_query_without_a_relevant_document_or_without_hits_counts_as_nothing_found() -> None:
    for ranked, grades in ((["a"], {"a": 0}), (["a"], {"a": -1}), ([], {"a": 1})):
        assert ndcg(ranked, grades, 10) == recall(ranked, grades, 10) == 0
        assert reciprocal_rank(ranked, grades, 10) == 0


def test_the_overlap_is_of_sets() -> None:
    assert overlap(["a", "b", "c"], ["c", "b", "x", "y"]) == 0.5
    assert overlap(["a"], []) == 1


@pytest.mark.parametrize("seed", range(10))
def test_the_pareto_front_is_what_no_other_beats(seed: int) -> None:
    chance = random.Random(seed)
    points = [(chance.randint(1, 9), chance.randint(1, 9)) for _ in range(20)]
    costs, gains = zip(*points, strict=True)

    front = pareto_front(costs, gains)

    beaten = [
        (cost, gain)
        for cost, gain in points
        if any((c <= cost and g > gain) or (c < cost and g >= gain) for c, g in points)
    ]
    assert [points[n] for n in front] == sorted(set(points) - set(beaten))
    assert pareto_front([], []) == []
