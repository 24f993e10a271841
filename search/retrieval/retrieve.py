"""Everything that the hits of a search are chosen from, by vector, by text, or by both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bson.binary import Binary
from pymongo.errors import OperationFailure

from leafsearch.search.query import Query
from leafsearch.search.retrieval.candidates import candidates
from leafsearch.search.retrieval.fusion import fused, fusion_stages, of_one_ranking
from leafsearch.search.retrieval.stored_chunk import chunk_of, fetching
from leafsearch.search.retrieval.text_query import text_stages
from leafsearch.search.session.io import Aggregate, Steps, Together
from leafsearch.search.session.open import Opened, demand_indexes, explaining_emptiness, looked_up
from leafsearch.vectors import DeploymentError, Rows
from leafsearch.vectors.store.pipelines import nearest_stage, text_index_name

_UNKNOWN_STAGE = 40324


@dataclass(frozen=True)
class Asked:
    """`row`: (1, d) the encoded question, a unit row of the manifest's dimensions."""

    question: str
    row: Rows
    query: Query


@dataclass(frozen=True)
class Candidate:
    chunk: dict[str, Any]
    score: float
    similarity: float


def pooled(
    opened: Opened, asked: Asked, limit: int, fields: Sequence[str]
) -> Steps[list[Candidate]]:
    """Best first; `fields` are what the chunks come with."""
    query = asked.query
    if not query.hybrid:
        found = yield from _by_vector(opened, asked, limit, fields)
        return [c for c in found if _near_enough(c, query)]
    if _server_fuses(opened, query):
        try:
            return (yield from _fused_by_server(opened, asked, limit, fields))
        except DeploymentError as error:
            if not _is_unknown_stage(error):
                raise
            opened.fuses = False
    rankings = yield Together(
        [_by_vector(opened, asked, limit, fields), _by_text(opened, asked, limit, fields)]
    )
    there = {c.chunk["_id"]: c for ranking in reversed(rankings) for c in ranking}
    ids = [[c.chunk["_id"] for c in ranking if _near_enough(c, query)] for ranking in rankings]
    scores = fused(zip(query.weights, ids, strict=True))
    return [replace(there[id], score=score) for id, score in scores.items()]


def rescored(opened: Opened, query: Query) -> bool:
    """Whether more bits are fetched than wanted, for the float query to choose from."""
    return opened.manifest.precision == "binary" and query.rescore > 0


def _measured(opened: Opened, query: Query) -> bool:
    """Whether the similarity is computed here: the score is of bits, or of scalar codes."""
    scalar = opened.manifest.quantization == "scalar" and not query.exact
    return scalar or rescored(opened, query)


def _near_enough(candidate: Candidate, query: Query) -> bool:
    return query.min_similarity is None or candidate.similarity >= query.min_similarity


def _by_vector(
    opened: Opened, asked: Asked, limit: int, fields: Sequence[str]
) -> Steps[list[Candidate]]:
    query, path = asked.query, opened.manifest.path
    again = _measured(opened, query)
    wanted = dict.fromkeys([*fields, path] if again else fields)
    shape = fetching(opened.manifest, list(wanted), "vectorSearchScore")
    stages = [_nearest(opened, asked, limit), *shape]
    try:
        found = yield from _chunks(opened, stages, query.max_time_ms)
    except DeploymentError:
        yield from looked_up(opened)  # one that was retired or replaced is the likelier reason
        raise
    if not found:
        yield from explaining_emptiness(opened, query.filter)
    if path in wanted:
        found = _with_vectors(opened, found)
    if again:
        return _in_order(found, _similarities(opened, asked.row, [c[path] for c in found]))
    # Cosine, the dot product of unit rows, and the share of equal bits all come as this.
    return _in_order(found, [2 * chunk["score"] - 1 for chunk in found])


def _by_text(
    opened: Opened, asked: Asked, limit: int, fields: Sequence[str]
) -> Steps[list[Candidate]]:
    manifest = opened.manifest
    shape = fetching(manifest, [*fields, manifest.path], "searchScore")
    stages = [*_text(opened, asked, limit), *shape]
    found = yield from _chunks(opened, stages, asked.query.max_time_ms)
    if not found:  # no passage has these words, or the index is gone
        yield from demand_indexes(opened)
    found = _with_vectors(opened, found)
    similarities = _similarities(opened, asked.row, [c[manifest.path] for c in found])
    return [
        Candidate(c, c["score"], similarity)
        for c, similarity in zip(found, similarities, strict=True)
    ]


def _server_fuses(opened: Opened, query: Query) -> bool:
    """Not where one ranking must be changed before they are fused."""
    changed = rescored(opened, query) or query.min_similarity is not None
    return opened.fuses and not changed and opened.manifest.layout != "in_place"


def _with_vectors(opened: Opened, found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The text index also holds what was not encoded yet, and every index lags behind a little."""
    return [chunk for chunk in found if isinstance(chunk.get(opened.manifest.path), Binary)]


def _fused_by_server(
    opened: Opened, asked: Asked, limit: int, fields: Sequence[str]
) -> Steps[list[Candidate]]:
    manifest, query = opened.manifest, asked.query
    pipelines = {"vector": [_nearest(opened, asked, limit)], "text": _text(opened, asked, limit)}
    stages = [
        *fusion_stages(pipelines, query.weights, limit=2 * limit),
        *fetching(manifest, [*fields, manifest.path], "score"),
    ]
    found = yield from _chunks(opened, stages, query.max_time_ms)
    if not found and query.weights[0]:
        yield from explaining_emptiness(opened, query.filter)
    elif not found or (all(query.weights) and _one_half_alone(found, query)):
        yield from demand_indexes(opened)
    found = _with_vectors(opened, found)
    similarities = _similarities(opened, asked.row, [c[manifest.path] for c in found])
    scored = [Candidate(c, c["score"], s) for c, s in zip(found, similarities, strict=True)]
    return sorted(scored, key=lambda c: (-c.score, c.chunk["_id"]))


def _one_half_alone(found: Sequence[dict[str, Any]], query: Query) -> bool:
    """As it is where no passage has the words, and where an index is gone."""
    return of_one_ranking([chunk["score"] for chunk in found], query.weights)


def _is_unknown_stage(error: DeploymentError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OperationFailure) and cause.code == _UNKNOWN_STAGE


def _nearest(opened: Opened, asked: Asked, limit: int) -> dict[str, Any]:
    manifest, query = opened.manifest, asked.query
    looked_at = query.num_candidates or candidates(
        limit, documents=opened.documents, quantization=manifest.quantization
    )
    return nearest_stage(
        manifest.codec.compress(asked.row)[0],
        index=manifest.index,
        path=manifest.path,
        limit=limit,
        num_candidates=None if query.exact else max(looked_at, limit),
        filter=query.filter,
    )


def _text(opened: Opened, asked: Asked, limit: int) -> list[dict[str, Any]]:
    manifest = opened.manifest
    return text_stages(
        asked.question,
        index=text_index_name(manifest.index),
        paths=[manifest.text_field, manifest.title_field],
        generation=None if manifest.layout == "in_place" else manifest.generation,
        limit=limit,
        filter=asked.query.filter,
    )


def _chunks(
    opened: Opened, stages: Sequence[Mapping[str, Any]], max_time_ms: int | None
) -> Steps[list[dict[str, Any]]]:
    found = yield Aggregate(opened.collection, stages, max_time_ms)
    return [chunk_of(opened.manifest, each) for each in found]


def _similarities(opened: Opened, row: Rows, stored: Sequence[Binary]) -> list[float]:
    if not stored:
        return []
    similarities: list[float] = (opened.manifest.codec.expand(stored) @ row[0]).tolist()
    return similarities


def _in_order(found: Sequence[dict[str, Any]], similarities: Sequence[float]) -> list[Candidate]:
    """Equal ones by id, so that pages and repeated searches agree."""
    scored = [Candidate(c, c["score"], s) for c, s in zip(found, similarities, strict=True)]
    return sorted(scored, key=lambda c: (-c.similarity, c.chunk["_id"]))
