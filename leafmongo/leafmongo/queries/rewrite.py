"""Pipelines with a search in them, and what mongod runs instead."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from leafmongo.proxy.workers import Result
from leafmongo.queries import score_meta as score
from leafmongo.queries.validate import SUBPIPELINES, first_stage, has_search

LISTING = "$listSearchIndexes"
# Stages that give a document for every document, in the same order.
_ONE_TO_ONE = frozenset(
    {"$addFields", "$lookup", "$project", "$replaceRoot", "$replaceWith", "$set", "$unset"}
)


@dataclass(frozen=True)
class Search:
    """`wanted` is how many documents the rest of the pipeline takes, None where it takes all."""

    collection: str
    stage: str
    options: Any
    wanted: int | None


@dataclass(frozen=True)
class Found:
    """What an index gave: best first. `stored` and `details` are set where they were asked for.

    What several indexes gave is `fused`: of equal scores the lesser id comes first.
    """

    ids: Sequence[Any]
    scores: Sequence[float]
    stored: Sequence[Mapping[str, Any]] | None = None
    fused: bool = False
    details: Sequence[Mapping[str, Any]] | None = None


Searching = Callable[[Search], Awaitable[Found]]


class Running(Protocol):
    """Runs what may take long where it holds up nobody."""

    async def __call__(self, work: Callable[..., Result], *given: Any) -> Result: ...


async def rewrite(collection: str, pipeline: Any, search: Searching, run: Running) -> Any:
    """The pipeline for mongod: every search in it replaced by the documents it found."""
    if not isinstance(pipeline, list):
        return pipeline
    rest = list(pipeline)
    for at in await run(_with_searches, pipeline):
        rest[at] = await _inside(pipeline[at], search, run)
    name = first_stage(pipeline)
    if name not in score.METAS:
        return rest
    most = await run(wanted, pipeline[1:])
    found = await search(Search(collection, name, pipeline[0][name], most))
    return await run(_fetching, name, found, rest[1:])


def _with_searches(pipeline: Sequence[Any]) -> list[int]:
    """Of which stages the inner pipelines search."""
    return [
        at
        for at, stage in enumerate(pipeline)
        if isinstance(stage, Mapping) and not SUBPIPELINES.keys().isdisjoint(stage)
        if has_search([stage])
    ]


def _fetching(name: str, found: Found, rest: Sequence[Any]) -> list[Any]:
    stages = score.fetch(found.ids, found.scores)
    if found.fused:
        stages += score.refine(found.details)
    if found.stored is not None:
        stages += score.replace_by(found.stored)
    metas = score.METAS[name] if found.details is None else score.DETAILED
    return stages + score.carry(rest, metas)


async def _inside(stage: Any, search: Searching, run: Running) -> Any:
    name, value = next(iter(stage.items()), ("", None))
    if name not in SUBPIPELINES or not isinstance(value, Mapping):
        return stage
    other = value.get(SUBPIPELINES[name])
    if not isinstance(other, str) or "pipeline" not in value:
        return stage
    return {name: {**value, "pipeline": await rewrite(other, value["pipeline"], search, run)}}


def wanted(stages: Sequence[Any]) -> int | None:
    """How many documents, of those that stand first, reach a `$limit`.

    `$search` finds all there are. Most pipelines take the first few, and mongod need not fetch
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
        elif name not in _ONE_TO_ONE and not _is_by_score(name, value):
            return None
    return None


def is_count(value: Any) -> bool:
    """As mongod takes one; what it refuses it may refuse itself."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 1


def _is_by_score(name: str, value: Any) -> bool:
    """A sort by the score alone: that is the order already."""
    if name != "$sort" or not isinstance(value, Mapping) or len(value) != 1:
        return False
    return isinstance(next(iter(value.values())), Mapping)
