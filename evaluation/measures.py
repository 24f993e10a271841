"""Measures of one ranking against graded judgments, with the conventions of trec_eval.

    nDCG@k      gain is the grade, discounted by log2(rank + 1), over that of the ideal ranking
    recall@k    share of the relevant (grade of 1 or more) that are among the first k
    MRR@k       1 / rank of the first relevant, 0 if it is not among the first k

Worked example: of two relevant documents, a (grade 2) and b (grade 1), the ranking x, a, y finds
one at rank 2. DCG = 2 / log2(3) = 1.262, ideal = 2 / log2(2) + 1 / log2(3) = 2.631, nDCG = 0.480;
recall = 0.5; MRR = 0.5.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

Grades = Mapping[str, int]  # by document id; a document without a grade is not relevant


def ranking(scores: Mapping[str, float]) -> list[str]:
    """Ids, best first. Ties as in trec_eval: scores are single floats, equal ones by falling id."""
    return sorted(scores, key=lambda id: (np.float32(scores[id]), id), reverse=True)


def ndcg(ranked: Sequence[str], grades: Grades, k: int) -> float:
    ideal = _dcg(sorted(grades.values(), reverse=True)[:k])
    return _dcg([grades.get(id, 0) for id in ranked[:k]]) / ideal if ideal else 0.0


def recall(ranked: Sequence[str], grades: Grades, k: int) -> float:
    relevant = {id for id, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranked[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranked: Sequence[str], grades: Grades, k: int) -> float:
    ranks = (n for n, id in enumerate(ranked[:k], 1) if grades.get(id, 0) > 0)
    return 1 / next(ranks, math.inf)


def overlap(found: Sequence[str], wanted: Sequence[str]) -> float:
    """Share of the wanted that were found, in any order."""
    return len(set(found) & set(wanted)) / len(wanted) if wanted else 1.0


def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> list[int]:
    """Numbers of the points that no other one beats, cheapest first: each gains more than all that
    cost as much or less. Of equal points, the first."""
    order = sorted(range(len(costs)), key=lambda n: (costs[n], -gains[n], n))
    front: list[int] = []
    for number in order:
        if not front or gains[number] > gains[front[-1]]:
            front.append(number)
    return front


def _dcg(grades: Sequence[int]) -> float:
    return sum(max(grade, 0) / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))
