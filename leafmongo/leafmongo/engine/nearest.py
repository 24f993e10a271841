"""Finds the best documents for a query among its candidates.

    exact          all candidates are scored
    approximate    the numCandidates nearest, then parentFilter, then the limit best
      binary       ... of the numCandidates nearest by sign bits, the sqrt(limit * numCandidates)
                   best by whole query against signs are scored in full

As on the server, parentFilter applies after the numCandidates are chosen, so fewer may be left.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.arrays import Positions, Scores, best
from leafmongo.engine.documents.stores import Scorers
from leafmongo.engine.filters.column import Mask
from leafmongo.engine.query import VectorQuery
from leafmongo.engine.scorers.scoring import SignScorer


@dataclass(frozen=True, eq=False)
class Candidates:
    """`positions` select vectors (None: all); `documents` has the slot of each vector's document.

    `parents` are the documents that pass parentFilter (None: no such filter).
    """

    scorers: Scorers
    positions: Positions | None
    documents: NDArray[np.int64]
    parents: Mask | None
    nested: bool


def find_documents(candidates: Candidates, query: VectorQuery) -> tuple[Positions, Scores]:
    """At most `limit` slots and their scores, best first."""
    positions, scores = _hits(candidates, query)
    documents = candidates.documents[positions]
    if not candidates.nested:
        return documents[: query.limit], scores[: query.limit]
    if query.score_mode == "avg":
        rescored = _all_elements(candidates, query, documents)
        if rescored is not None:
            documents, scores = rescored
    slots, scores = _join(documents, scores, average=query.score_mode == "avg")
    order = best(scores, query.limit)
    return slots[order], scores[order]


def _hits(candidates: Candidates, query: VectorQuery) -> tuple[Positions, Scores]:
    """Positions of vectors and their scores, best first."""
    scorers = candidates.scorers
    if query.num_candidates is None:
        return _exact_hits(candidates, query.limit)
    direct = not (candidates.nested or scorers.rescorer or candidates.parents is not None)
    count = query.limit if direct else query.num_candidates
    positions, scores = scorers.approximate.nearest(count, candidates.positions)
    if candidates.parents is not None:
        passed = candidates.parents[candidates.documents[positions]]
        positions, scores = positions[passed], scores[passed]
    if scorers.rescorer is not None:
        count = math.isqrt(query.limit * query.num_candidates)
        return _rescore(scorers.rescorer, positions, count)
    return positions, scores


def _exact_hits(candidates: Candidates, limit: int) -> tuple[Positions, Scores]:
    positions = candidates.positions
    if candidates.parents is not None:
        if positions is None:
            positions = np.arange(len(candidates.documents), dtype=np.int64)
        positions = positions[candidates.parents[candidates.documents[positions]]]
    count = len(candidates.documents) if candidates.nested else limit
    return candidates.scorers.exact.nearest(count, positions)


def _rescore(whole: SignScorer, positions: Positions, count: int) -> tuple[Positions, Scores]:
    positions = np.sort(positions)
    kept = np.sort(positions[best(whole.sign_products(positions), count)])
    return whole.nearest(len(kept), kept)


def _all_elements(
    candidates: Candidates, query: VectorQuery, documents: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Scores] | None:
    """All elements of the found documents: an approximate average counts them, not only the hits.

    The server does so for float vectors; for the other kinds it averages the hits.
    """
    floats = candidates.scorers.floats
    if query.num_candidates is None or floats is None:
        return None
    positions = np.flatnonzero(np.isin(candidates.documents, documents))
    return candidates.documents[positions], floats.scores(positions)


def _join(
    documents: NDArray[np.int64], scores: Scores, *, average: bool
) -> tuple[NDArray[np.int64], Scores]:
    """One score for each document, in slot order."""
    order = np.argsort(documents, kind="stable")
    slots, starts, counts = np.unique(documents[order], return_index=True, return_counts=True)
    if not len(slots):
        return slots, scores[:0]
    ordered = scores[order].astype(np.float64)
    if average:
        return slots, (np.add.reduceat(ordered, starts) / counts).astype(np.float32)
    return slots, np.maximum.reduceat(ordered, starts).astype(np.float32)
