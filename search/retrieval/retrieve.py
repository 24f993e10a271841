"""Fetch the candidates of a search, by vector, by text, or by both, fused."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bson.binary import Binary
from pymongo.errors import OperationFailure

from leafsearch.config.storage import Quantization
from leafsearch.search.query import MOST_CANDIDATES, REACH, REACH_REORDERED, Query
from leafsearch.search.retrieval.fuse import (
    DETAILS,
    TEXT,
    VECTOR,
    Candidate,
    fuse,
    fusion_stages,
    is_one_ranking,
    server_stage,
)
from leafsearch.search.retrieval.stored_chunk import chunk_of, fetch_stages
from leafsearch.search.retrieval.text_query import text_stages
from leafsearch.search.session.auto_embed import similarity_of
from leafsearch.search.session.io import Aggregate, Steps, Together
from leafsearch.search.session.open import (
    OpenCollection,
    explain_no_hits,
    look_up,
    require_indexes,
)
from leafsearch.vectors import DeploymentError, Rows
from leafsearch.vectors.store import is_in_stored_source, nearest_stage, text_index_name

log = logging.getLogger(__name__)

_PER_HIT = 20  # MongoDB's advice
_FEWEST = 100
_LARGE = 100_000  # documents; above this, the same effort finds a smaller share
_PER_HIT_BINARY = 64
_FUSED = 100
_MOST_EXACT = 2**31 - 1  # the server limits numCandidates, which exact search does not use
_UNKNOWN_STAGE = (40324, 224)  # not known, or not allowed in this version


def pool_size(query: Query, *, in_bits: bool) -> int:
    """How many passages to fetch; no more than the server considers, if the query limits that."""
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
    """How many passages may be fetched at most."""
    return query.num_candidates or (_MOST_EXACT if query.exact else MOST_CANDIDATES)


def documents_wanted(query: Query) -> int:
    """How many documents to find passages of; the same for all pages, so that they share a
    ranking."""
    if query.reordered and query.skip is not None:
        return REACH_REORDERED
    return query.last


def _reach(query: Query) -> int:
    return REACH_REORDERED if query.reordered else REACH


def candidates_for(
    limit: int, *, documents: int, quantization: Quantization, factor: float = 1.0
) -> int:
    """Default of numCandidates for `limit` hits out of so many documents.

    20 per hit and at least 100, 20 more per hit for each tenfold of documents above 100,000. The
    server's binary quantization takes 64 per hit: it rescores int(sqrt(limit * numCandidates))
    with whole vectors, which are 8 per hit then. All of this `factor` times: a student's query is
    a little off, so that the graph is searched more widely. Never more than 10,000.
    """
    per_hit: float = _PER_HIT_BINARY if quantization == "binary" else _PER_HIT
    per_hit *= 1 + max(0.0, math.log10(max(documents, 1) / _LARGE))
    return min(math.ceil(max(per_hit * limit, _FEWEST) * factor), MOST_CANDIDATES)


@dataclass(frozen=True)
class EncodedQuestion:
    """`row`: (1, d) the encoded question, a unit row of the manifest's dimensions; (1, 0) where
    the server encodes it; `factor`: of candidates, for the model that encoded it."""

    question: str
    row: Rows
    query: Query
    factor: float = 1.0


def retrieve(
    opened: OpenCollection, asked: EncodedQuestion, limit: int, fields: Sequence[str]
) -> Steps[list[Candidate]]:
    """Candidates, best first, with these fields."""
    query = asked.query
    if not query.hybrid:
        found = yield from _by_vector(opened, asked, limit, fields)
        return [c for c in found if _is_near_enough(c, query)]
    stage = server_stage(query)
    if stage is not None and _server_fuses(opened, query, stage):
        try:
            return (yield from _fused_by_server(opened, asked, limit, fields))
        except DeploymentError as error:
            if not _is_unknown_stage(error):
                raise
            opened.unknown_stages |= {stage}
    halves = [_by_vector, _by_text]
    weighty = [half for half, weight in zip(halves, query.weights, strict=True) if weight]
    found = yield Together([half(opened, asked, limit, fields) for half in weighty])
    by_half = dict(zip(weighty, found, strict=True))
    rankings: list[list[Candidate]] = [by_half.get(half, []) for half in halves]
    if is_rescored(opened, query):  # the server's scores are of bits alone
        rankings[0] = [replace(c, score=(1 + c.similarity) / 2) for c in rankings[0]]
    if query.fusion == "rrf":  # ranks of what remains; scores do not depend on the limit
        rankings = [[c for c in ranking if _is_near_enough(c, query)] for ranking in rankings]
    return [c for c in fuse(rankings, query) if _is_near_enough(c, query)]


def is_rescored(opened: OpenCollection, query: Query) -> bool:
    """Whether more bits are fetched than requested, for the float query to choose from."""
    return opened.manifest.precision == "binary" and query.rescore > 0


def _is_similarity_computed(opened: OpenCollection, query: Query) -> bool:
    """Whether similarity is computed here, because the score is of bits or of scalar codes."""
    scalar = opened.manifest.quantization == "scalar" and not query.exact
    return scalar or is_rescored(opened, query)


def _is_near_enough(candidate: Candidate, query: Query) -> bool:
    return query.min_similarity is None or candidate.similarity >= query.min_similarity


def _by_vector(
    opened: OpenCollection, asked: EncodedQuestion, limit: int, fields: Sequence[str]
) -> Steps[list[Candidate]]:
    query, path = asked.query, opened.manifest.exact_path
    again = _is_similarity_computed(opened, query)
    wanted = dict.fromkeys([*fields, path] if again else fields)
    try:
        found = yield from _nearest_chunks(opened, asked, limit, list(wanted))
    except DeploymentError:
        yield from look_up(opened)  # the generation was retired or replaced, more likely
        raise
    if not found:
        yield from explain_no_hits(opened, query.filter)
    if path in wanted and opened.student is not None:
        found = _with_vectors(opened, found)
    if again:
        return _in_order(found, _similarities(opened, asked.row, [c[path] for c in found]))
    if opened.student is None:
        similarity = opened.manifest.similarity
        return _in_order(found, [similarity_of(chunk["score"], similarity) for chunk in found])
    # Cosine, dot product of unit rows, and share of equal bits all come in this form.
    return _in_order(found, [2 * chunk["score"] - 1 for chunk in found])


def _nearest_chunks(
    opened: OpenCollection, asked: EncodedQuestion, limit: int, fields: Sequence[str]
) -> Steps[list[dict[str, Any]]]:
    shape = fetch_stages(opened.manifest, fields, "vectorSearchScore")
    from_index = opened.reads_index and is_in_stored_source(opened.manifest, fields)
    stages = [_nearest(opened, asked, limit, from_index=from_index), *shape]
    try:
        return (yield from _chunks(opened, stages, asked.query.max_time_ms))
    except DeploymentError as error:
        if not from_index or "storedsource" not in str(error).lower():
            raise
    log.warning(
        "the index of %s does not keep what hits show, so documents are looked up instead: it is "
        "being rebuilt, or the server knows no storedSource",
        opened.full_name,
    )
    opened.reads_index = False
    return (yield from _nearest_chunks(opened, asked, limit, fields))


def _by_text(
    opened: OpenCollection, asked: EncodedQuestion, limit: int, fields: Sequence[str]
) -> Steps[list[Candidate]]:
    manifest = opened.manifest
    shape = fetch_stages(manifest, [*fields, manifest.exact_path], "searchScore")
    stages = [*_text(opened, asked, limit), *shape]
    found = yield from _chunks(opened, stages, asked.query.max_time_ms)
    if not found:  # either no passage has these words, or the index is gone
        yield from require_indexes(opened)
    found = _with_vectors(opened, found)
    similarities = _similarities(opened, asked.row, [c[manifest.exact_path] for c in found])
    return [
        Candidate(c, c["score"], similarity)
        for c, similarity in zip(found, similarities, strict=True)
    ]


def _server_fuses(opened: OpenCollection, query: Query, stage: str) -> bool:
    """Whether the server may fuse: not if one ranking is changed before the fusion."""
    changed = is_rescored(opened, query) or query.min_similarity is not None
    is_known = stage not in opened.unknown_stages
    return is_known and not changed and opened.manifest.layout != "in_place"


def _with_vectors(opened: OpenCollection, found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Chunks with a vector: the text index also holds unencoded ones, and indexes lag behind."""
    return [chunk for chunk in found if isinstance(chunk.get(opened.manifest.exact_path), Binary)]


def _fused_by_server(
    opened: OpenCollection, asked: EncodedQuestion, limit: int, fields: Sequence[str]
) -> Steps[list[Candidate]]:
    manifest, query = opened.manifest, asked.query
    pipelines = {VECTOR: [_nearest(opened, asked, limit)], TEXT: _text(opened, asked, limit)}
    (shape,) = fetch_stages(manifest, [*fields, manifest.exact_path], "score")
    if query.fusion == "score":
        shape["$project"][DETAILS] = {"$meta": "scoreDetails"}
    # Twice what a page needs, as a passage may have gone since it was indexed.
    is_page_alone = query.skip is None and not (query.by_document or query.reordered)
    most = 2 * (query.last if is_page_alone else limit)
    stages = [*fusion_stages(pipelines, query, limit=most), shape]
    found = yield from _chunks(opened, stages, query.max_time_ms)
    if not found and query.weights[0]:
        yield from explain_no_hits(opened, query.filter)
    elif not found or (all(query.weights) and is_one_ranking(found, query)):
        yield from require_indexes(opened)
    for chunk in found:
        chunk.pop(DETAILS, None)
    found = _with_vectors(opened, found)
    similarities = _similarities(opened, asked.row, [c[manifest.exact_path] for c in found])
    scored = [Candidate(c, c["score"], s) for c, s in zip(found, similarities, strict=True)]
    return sorted(scored, key=lambda c: (-c.score, c.chunk["_id"]))


def _is_unknown_stage(error: DeploymentError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OperationFailure) and cause.code in _UNKNOWN_STAGE


def _nearest(
    opened: OpenCollection, asked: EncodedQuestion, limit: int, *, from_index: bool = False
) -> dict[str, Any]:
    manifest, query = opened.manifest, asked.query
    looked_at = query.num_candidates or candidates_for(
        limit,
        documents=opened.documents,
        quantization=manifest.quantization,
        factor=asked.factor,
    )
    is_text = opened.student is None
    return nearest_stage(
        asked.question if is_text else manifest.codec.encode(asked.row)[0],
        index=manifest.index,
        path=manifest.path,
        limit=limit,
        num_candidates=None if query.exact else max(looked_at, limit),
        filter=query.filter,
        from_index=from_index,
    )


def _text(opened: OpenCollection, asked: EncodedQuestion, limit: int) -> list[dict[str, Any]]:
    manifest = opened.manifest
    return text_stages(
        asked.question,
        index=text_index_name(manifest.index),
        paths=list(dict.fromkeys((*manifest.text_fields, manifest.title_field))),
        generation=None if manifest.layout == "in_place" else manifest.generation,
        limit=limit,
        filter=asked.query.filter,
    )


def _chunks(
    opened: OpenCollection, stages: Sequence[Mapping[str, Any]], max_time_ms: int | None
) -> Steps[list[dict[str, Any]]]:
    found = yield Aggregate(opened.collection, stages, max_time_ms)
    return [chunk_of(opened.manifest, each) for each in found]


def _similarities(opened: OpenCollection, row: Rows, stored: Sequence[Binary]) -> list[float]:
    if not stored:
        return []
    similarities: list[float] = (opened.manifest.codec.exact.expand(stored) @ row[0]).tolist()
    return similarities


def _in_order(found: Sequence[dict[str, Any]], similarities: Sequence[float]) -> list[Candidate]:
    """Candidates by similarity; equal ones by id, so that pages and repeated searches agree."""
    scored = [Candidate(c, c["score"], s) for c, s in zip(found, similarities, strict=True)]
    return sorted(scored, key=lambda c: (-c.similarity, c.chunk["_id"]))
