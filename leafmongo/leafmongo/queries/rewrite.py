"""Replaces each search in a pipeline by stages that mongod can run."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leafmongo.queries import score_meta as score
from leafmongo.queries.validate import SUBPIPELINES, first_stage, has_search

LISTING = "$listSearchIndexes"
# Stages that return one document for each document, in the same order.
_ONE_TO_ONE = frozenset(
    {"$addFields", "$lookup", "$project", "$replaceRoot", "$replaceWith", "$set", "$unset"}
)


@dataclass(frozen=True)
class Search:
    """`wanted` is how many documents the rest of the pipeline needs; None for all."""

    collection: str
    stage: str
    options: Any
    wanted: int | None


@dataclass(frozen=True)
class FoundDocuments:
    """What an index found, best first. `stored` and `details` are set if they were requested.

    `fused` results come from several indexes: among equal scores the lesser id comes first.
    `combined`: mongod computes their scores.
    """

    ids: Sequence[Any]
    scores: Sequence[float]
    stored: Sequence[Mapping[str, Any]] | None = None
    fused: bool = False
    details: Sequence[Mapping[str, Any]] | None = None
    combined: score.Combined | None = None


FindDocuments = Callable[[Search], Awaitable[FoundDocuments]]


# Runs a function with these arguments without holding up the event loop.
Run = Callable[..., Awaitable[Any]]


async def rewrite(collection: str, pipeline: Any, search: FindDocuments, run: Run) -> Any:
    """The pipeline for mongod, with every search replaced by the documents it found."""
    if not isinstance(pipeline, list):
        return pipeline
    rest = list(pipeline)
    for at in await run(_stages_with_searches, pipeline):
        rest[at] = await _rewrite_inner(pipeline[at], search, run)
    name = first_stage(pipeline)
    if name not in score.METAS:
        return rest
    needed = await run(count_needed, pipeline[1:])
    found = await search(Search(collection, name, pipeline[0][name], needed))
    return await run(_fetch_stages, name, found, rest[1:])


def _stages_with_searches(pipeline: Sequence[Any]) -> list[int]:
    """The stages that have a search in an inner pipeline."""
    return [
        at
        for at, stage in enumerate(pipeline)
        if isinstance(stage, Mapping) and not SUBPIPELINES.keys().isdisjoint(stage)
        if has_search([stage])
    ]


def _fetch_stages(name: str, found: FoundDocuments, rest: Sequence[Any]) -> list[Any]:
    stages = score.fetch(found.ids, found.scores)
    if found.combined is not None:
        stages += score.combine(found.combined)
    if found.fused:
        stages += score.refine(found.details)
    if found.stored is not None:
        stages += score.replace_by(found.stored)
    metas = score.METAS[name] if found.details is None else score.DETAILED
    return stages + score.carry(rest, metas)


async def _rewrite_inner(stage: Any, search: FindDocuments, run: Run) -> Any:
    name, value = next(iter(stage.items()), ("", None))
    if name not in SUBPIPELINES or not isinstance(value, Mapping):
        return stage
    other = value.get(SUBPIPELINES[name])
    if not isinstance(other, str) or "pipeline" not in value:
        return stage
    return {name: {**value, "pipeline": await rewrite(other, value["pipeline"], search, run)}}


def count_needed(stages: Sequence[Any]) -> int | None:
    """How many of the first documents the pipeline needs; None if it may need all.

    `$search` finds all that match. Most pipelines take the first few, and mongod need not fetch
    the others.
    """
    skipped = 0
    for stage in stages:
        if not isinstance(stage, Mapping) or len(stage) != 1:
            return None
        name, value = next(iter(stage.items()))
        if name == "$limit":
            return skipped + int(value) if is_count(value) else None
        if name == "$skip" and is_count(value):
            skipped += int(value)
        elif name not in _ONE_TO_ONE and not _sorts_by_score(name, value):
            return None
    return None


def is_count(value: Any) -> bool:
    """Whether mongod may accept the value as a count; mongod itself refuses it if not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 1


def _sorts_by_score(name: str, value: Any) -> bool:
    """Whether the stage sorts by score alone, which is already the order."""
    if name != "$sort" or not isinstance(value, Mapping) or len(value) != 1:
        return False
    return isinstance(next(iter(value.values())), Mapping)
