"""Pipelines with `$vectorSearch` in them: where it may stand, and what mongod runs instead."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local import score
from local.engine import CommandError

STAGE, LISTING = "$vectorSearch", "$listSearchIndexes"
_SUBPIPELINES = {"$unionWith": "coll", "$lookup": "from"}


@dataclass(frozen=True)
class Found:
    """What an index gave: best first. `stored` is set where the client asked for it."""

    ids: Sequence[Any]
    scores: Sequence[float]
    stored: Sequence[Mapping[str, Any]] | None = None


Searching = Callable[[str, Any], Awaitable[Found]]  # (collection, stage) -> what was found


def first_stage(pipeline: Any) -> str:
    """The name of the first stage, empty when there is none."""
    if not isinstance(pipeline, list) or not pipeline or not isinstance(pipeline[0], Mapping):
        return ""
    return next(iter(pipeline[0]), "")


def check(command: Mapping[str, Any]) -> None:
    """Refuse what the real server refuses before it searches."""
    pipeline = command.get("pipeline")
    _check_places(pipeline)
    if "startTransaction" in command or command.get("autocommit") is False:
        raise CommandError(
            263,
            "OperationNotSupportedInTransaction",
            f"{STAGE} cannot run in a transaction; search before it or after it",
        )
    level = command.get("readConcern")
    if isinstance(level, Mapping) and level.get("level", "local") not in ("local", "available"):
        raise CommandError(
            72, "InvalidOptions", f"{STAGE} takes the read concern local, not {level['level']}"
        )


def _check_places(pipeline: Any, *, in_facet: bool = False) -> None:
    for at, stage in enumerate(pipeline if isinstance(pipeline, list) else []):
        for name, value in stage.items() if isinstance(stage, Mapping) else ():
            if name == STAGE and in_facet:
                raise CommandError(40600, "Location40600", f"{STAGE} cannot stand inside $facet")
            if name == STAGE and at > 0:
                raise CommandError(
                    40602, "Location40602", f"{STAGE} must be the first stage of its pipeline"
                )
            if name == "$facet" and isinstance(value, Mapping):
                for branch in value.values():
                    _check_places(branch, in_facet=True)
            elif name in _SUBPIPELINES and isinstance(value, Mapping):
                _check_places(value.get("pipeline"), in_facet=in_facet)


async def rewrite(collection: str, pipeline: Any, search: Searching) -> Any:
    """The pipeline for mongod: every search in it replaced by the documents it found."""
    if not isinstance(pipeline, list):
        return pipeline
    rest = [await _inside(stage, search) for stage in pipeline]
    if first_stage(pipeline) != STAGE:
        return rest
    found = await search(collection, pipeline[0][STAGE])
    stages = score.fetch(found.ids, found.scores)
    if found.stored is not None:
        stages += score.replace_by(found.stored)
    return stages + score.carry(rest[1:])


async def _inside(stage: Any, search: Searching) -> Any:
    if not isinstance(stage, Mapping):
        return stage
    name, value = next(iter(stage.items()), ("", None))
    if name not in _SUBPIPELINES or not isinstance(value, Mapping):
        return stage
    other = value.get(_SUBPIPELINES[name])
    if not isinstance(other, str) or "pipeline" not in value:
        return stage
    return {name: {**value, "pipeline": await rewrite(other, value["pipeline"], search)}}
