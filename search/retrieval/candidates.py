"""How many passages are fetched to choose from, and how many the server looks at for them."""

import math

from leafsearch.config.storage import Quantization
from leafsearch.search.query import MOST_CANDIDATES, REACH, REACH_REORDERED, Query

_PER_HIT = 20  # MongoDB's advice
_FEWEST = 100
_LARGE = 100_000  # documents from which on the same effort finds a smaller share
_PER_HIT_BINARY = 64
_FUSED = 100
_MOST_EXACT = 2**31 - 1  # the server's limit is that of numCandidates, which exact search has not


def pool_size(query: Query, *, in_bits: bool) -> int:
    """No more than the server looks at, where the query says so."""
    wanted = query.last if query.skip is None else _reach(query)
    if in_bits and query.rescore:
        wanted = max(query.rescore * wanted, _FEWEST)
    if query.reordered:
        wanted = max(wanted, REACH_REORDERED)
    if query.hybrid:
        wanted = max(wanted, _FUSED)
    if query.by_document:
        wanted *= 4
    return max(query.last, min(wanted, most_passages(query)))


def most_passages(query: Query) -> int:
    """How many may be asked for at most."""
    return query.num_candidates or (_MOST_EXACT if query.exact else MOST_CANDIDATES)


def documents_wanted(query: Query) -> int:
    """Of how many documents passages are looked for; of all pages as many, for one ranking."""
    if query.reordered and query.skip is not None:
        return REACH_REORDERED
    return query.last


def _reach(query: Query) -> int:
    return REACH_REORDERED if query.reordered else REACH


def candidates(limit: int, *, documents: int, quantization: Quantization) -> int:
    """Default of numCandidates for `limit` hits out of so many documents.

    20 per hit and at least 100, 20 more per hit for each tenfold of documents above 100,000. With
    the server's binary quantization 64 per hit: it re-scores int(sqrt(limit * numCandidates)) with
    whole vectors, which then are 8 per hit. Never more than 10,000.
    """
    per_hit: float = _PER_HIT_BINARY if quantization == "binary" else _PER_HIT
    per_hit *= 1 + max(0.0, math.log10(max(documents, 1) / _LARGE))
    return min(max(math.ceil(per_hit * limit), _FEWEST), MOST_CANDIDATES)
