"""Rank candidates and turn them into hits: the steps of one search."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leafsearch.config.text import quote
from leafsearch.search.errors import SearchError
from leafsearch.search.hit import Hit
from leafsearch.search.query import REACH_REORDERED, Query
from leafsearch.search.retrieval.context import KEY, join_chunks, read_texts
from leafsearch.search.retrieval.fuse import Candidate
from leafsearch.search.retrieval.retrieve import (
    EncodedQuestion,
    documents_wanted,
    is_rescored,
    most_passages,
    pool_size,
    retrieve,
)
from leafsearch.search.retrieval.stored_chunk import chunk_of, fetch_stages, key_of
from leafsearch.search.session.io import Aggregate, Compute, Steps
from leafsearch.search.session.open import OpenCollection, look_up
from leafsearch.vectors import Rows
from leafsearch.vectors.store import is_in_stored_source, uppermost_paths

_ALL = ("text", "metadata", "place")
_FEW = 400  # contents that are sent faster than asked for again


def rank(opened: OpenCollection, asked: EncodedQuestion) -> Steps[list[Hit]]:
    query = asked.query
    pool, most = pool_size(query, in_bits=is_rescored(opened, query)), most_passages(query)
    while True:
        found = yield from retrieve(opened, asked, pool, _fields(opened, query, pool))
        best = _of_each_document(found) if query.by_document else found
        enough = len(best) >= documents_wanted(query) or len(found) < pool
        if not query.by_document or enough or pool >= most:
            break
        pool = min(4 * pool, most)  # all passages so far belong to few documents
    chosen = yield from _reorder(opened, asked, best)
    page = chosen[query.skip or 0 : query.last]
    return (yield from _fill_in(opened, query, page, whole=_whole(opened, query, pool)))


def _of_each_document(found: Sequence[Candidate]) -> list[Candidate]:
    best: dict[str, Candidate] = {}
    for candidate in found:
        best.setdefault(candidate.chunk["document"], candidate)
    return list(best.values())


def _reorder(
    opened: OpenCollection, asked: EncodedQuestion, best: Sequence[Candidate]
) -> Steps[list[Candidate]]:
    query = asked.query
    chosen = yield from _rerank(asked, best)
    if query.diversity and chosen:
        stored = [c.chunk[opened.manifest.exact_path] for c in chosen]
        rows = opened.manifest.codec.exact.expand(stored)
        order = order_by_mmr(
            np.array([c.similarity for c in chosen]),
            rows,
            count=query.last,
            diversity=query.diversity,
        )
        chosen = [chosen[i] for i in order]
    return chosen


def _rerank(asked: EncodedQuestion, found: Sequence[Candidate]) -> Steps[list[Candidate]]:
    """A model reads candidates one by one, so only the first hundred, and only once."""
    rerank = asked.query.rerank
    if rerank is None or not found:
        return list(found)
    found = found[:REACH_REORDERED]
    texts = [c.chunk["text"] for c in found]
    given = yield Compute(lambda: rerank(asked.question, texts))
    try:
        scores = [float(score) for score in given]
    except (TypeError, ValueError) as error:
        raise SearchError(
            f"rerank returned {quote(given)}; expected a number for each of {len(texts)} texts"
        ) from error
    if len(scores) != len(texts) or not np.isfinite(scores).all():
        raise SearchError(
            f"rerank returned {len(scores)} scores for {len(texts)} texts; "
            "expected a number for each"
        )
    scored = [replace(c, score=s) for c, s in zip(found, scores, strict=True)]
    return sorted(scored, key=lambda c: (-c.score, c.chunk["_id"]))


def _fill_in(
    opened: OpenCollection, query: Query, page: Sequence[Candidate], *, whole: bool
) -> Steps[list[Hit]]:
    """Add fields that were left out while choosing, unless all came along, and the neighbours."""
    contents = {c.chunk["_id"]: c.chunk for c in page} if whole else {}
    fields = _contents(query)
    if page and fields and not whole:
        pipeline: list[dict[str, Any]] = [
            {"$match": {"_id": {"$in": [key_of(c.chunk) for c in page]}}},
            *fetch_stages(opened.manifest, fields, None),
        ]
        found = yield Aggregate(opened.collection, pipeline, query.max_time_ms)
        chunks = [chunk_of(opened.manifest, each) for each in found]
        contents = {chunk["_id"]: chunk for chunk in chunks}
        if len(contents) < len(page):
            yield from look_up(opened)  # deleted or retired since they were found
    around = yield from _read_contexts(opened, query, page)
    return [_hit(c, contents.get(c.chunk["_id"], {}), around.get(c.chunk["_id"], "")) for c in page]


def _read_contexts(
    opened: OpenCollection, query: Query, page: Sequence[Candidate]
) -> Steps[dict[str, str]]:
    if not query.neighbours or not page:
        return {}
    spans = {
        c.chunk["_id"]: (
            c.chunk["document"],
            c.chunk["position"] - query.neighbours,
            c.chunk["position"] + query.neighbours,
        )
        for c in page
    }
    texts = yield from read_texts(opened, list(spans.values()), query.max_time_ms)
    if any((c.chunk["document"], c.chunk["position"]) not in texts for c in page):
        yield from look_up(opened)
    positions: dict[str, list[int]] = {}
    for document, position in sorted(texts):
        positions.setdefault(document, []).append(position)
    return {
        id: join_chunks([texts[document, p] for p in positions.get(document, ()) if a <= p <= b])
        for id, (document, a, b) in spans.items()
    }


def _hit(candidate: Candidate, contents: dict[str, Any], context: str) -> Hit:
    return Hit(
        id=candidate.chunk["_id"],
        document=candidate.chunk["document"],
        position=candidate.chunk["position"],
        text=contents.get("text", ""),
        metadata=contents.get("metadata", {}),
        score=candidate.score,
        similarity=candidate.similarity,
        context=context,
        place=contents.get("place") or {},
    )


def _contents(query: Query) -> list[str]:
    wanted = _ALL if query.fields is None else query.fields
    return uppermost_paths(wanted)


def _whole(opened: OpenCollection, query: Query, pool: int) -> bool:
    """Whether candidates come with their contents: if all may be hits, or if these come from the
    index, and the documents need not be looked up."""
    if pool == query.last and query.skip is None:
        return True
    from_index = opened.reads_index and is_in_stored_source(opened.manifest, _contents(query))
    return from_index and not query.hybrid and not query.diversity and pool <= _FEW


def _fields(opened: OpenCollection, query: Query, pool: int) -> list[str]:
    """Fields of the candidates: all that hits need, or only what choosing them needs."""
    fields = [*KEY]
    if _whole(opened, query, pool):
        fields += _contents(query)
    elif query.rerank is not None:
        fields.append("text")
    if query.diversity:
        fields.append(opened.manifest.exact_path)
    return list(dict.fromkeys(fields))


def order_by_mmr(
    relevance: NDArray[np.floating], rows: Rows, *, count: int, diversity: float
) -> list[int]:
    """Positions of the `count` chosen, in order; `relevance` (n,) cosines, `rows` (n, d) unit
    rows.

    Maximal marginal relevance: Carbonell and Goldstein, SIGIR 1998. Each next one maximises (1 -
    diversity) * relevance - diversity * (its largest cosine to those already chosen).
    """
    chosen: list[int] = []
    nearest = np.full(len(rows), -1.0)  # cosine to the most similar one chosen so far
    left = np.ones(len(rows), dtype=bool)
    while len(chosen) < min(count, len(rows)):
        against = nearest if chosen else np.zeros(len(rows))
        worth = np.where(left, (1 - diversity) * relevance - diversity * against, -np.inf)
        best = int(np.argmax(worth))
        chosen.append(best)
        left[best] = False
        nearest = np.maximum(nearest, rows @ rows[best])
    return chosen
