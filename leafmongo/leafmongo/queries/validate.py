"""Checks where a pipeline may have a search, and what may not go with one."""

from collections.abc import Iterator, Mapping
from typing import Any

from leafmongo.engine import CommandError
from leafmongo.queries.score_meta import FUSIONS, METAS

SUBPIPELINES = {"$unionWith": "coll", "$lookup": "from"}
_MAX_STAGES = 1000  # mongod's own limit
_META_STAGE = "$searchMeta"
_UNSUPPORTED_METAS = ("searchHighlights", "searchScoreDetails", "searchSequenceToken")


def first_stage(pipeline: Any) -> str:
    """The name of the first stage; empty for a pipeline without one."""
    if not isinstance(pipeline, list) or not pipeline or not isinstance(pipeline[0], Mapping):
        return ""
    return next(iter(pipeline[0]), "")


def has_search(pipeline: Any) -> bool:
    """Whether the pipeline has a search anywhere, allowed or not."""
    for stage in pipeline if isinstance(pipeline, list) else []:
        for name, value in stage.items() if isinstance(stage, Mapping) else ():
            # mongod runs a fusion without searches itself, if it is new enough.
            if (name in METAS and name not in FUSIONS) or name == _META_STAGE:
                return True
            if any(map(has_search, _inner(name, value))):
                return True
    return False


def require_valid(command: Mapping[str, Any]) -> None:
    """Reject what the real server rejects before it searches, and what is not supported here."""
    pipeline = command.get("pipeline")
    _check_pipeline(pipeline)
    if first_stage(pipeline) in METAS and not isinstance(command.get("aggregate"), str):
        name = first_stage(pipeline)
        raise CommandError(73, "InvalidNamespace", f"{name} searches a collection; none was given")
    if "startTransaction" in command or command.get("autocommit") is False:
        raise CommandError(
            263,
            "OperationNotSupportedInTransaction",
            "a search cannot run in a transaction; search before it or after it",
        )
    level = command.get("readConcern")
    if isinstance(level, Mapping) and level.get("level", "local") not in ("local", "available"):
        raise CommandError(
            72, "InvalidOptions", f"a search takes the read concern local, not {level['level']}"
        )


def _check_pipeline(pipeline: Any, *, in_facet: bool = False) -> None:
    if isinstance(pipeline, list) and len(pipeline) > _MAX_STAGES:
        raise CommandError(
            9,
            "FailedToParse",
            f"Pipeline length must be no longer than {_MAX_STAGES} stages; it has {len(pipeline)}",
        )
    for at, stage in enumerate(pipeline if isinstance(pipeline, list) else []):
        for name, value in stage.items() if isinstance(stage, Mapping) else ():
            _check_place(name, at, in_facet=in_facet)
            if name in METAS and len(stage) > 1:
                keys = ", ".join(stage)
                raise CommandError(
                    40323, "Location40323", f"a stage has one key, its name; this has {keys}"
                )
            for inner in _inner(name, value):
                _check_pipeline(inner, in_facet=in_facet or name == "$facet")
    name = first_stage(pipeline)
    if name == "$search":
        _refuse_metadata(pipeline[1:])
    if name == "$vectorSearch" and any(map(_is_search_meta, _parts(pipeline[1:]))):
        raise CommandError(
            6347902, "Location6347902", "$$SEARCH_META belongs to $search; $vectorSearch has none"
        )


def _check_place(name: str, at: int, *, in_facet: bool) -> None:
    if name == _META_STAGE:
        raise _unsupported(f"{name} is not supported here; $search is, with $count after it")
    if name in METAS and in_facet:
        raise CommandError(40600, "Location40600", f"{name} cannot be used inside $facet")
    if name in METAS and at > 0:
        raise CommandError(
            40602, "Location40602", f"{name} must be the first stage of its pipeline"
        )


def _inner(name: str, value: Any) -> list[Any]:
    """The pipelines inside a stage."""
    if not isinstance(value, Mapping):
        return []
    if name == "$facet":
        return list(value.values())
    if name in FUSIONS:
        given = value.get("input")
        pipelines = given.get("pipelines") if isinstance(given, Mapping) else None
        return list(pipelines.values()) if isinstance(pipelines, Mapping) else []
    return [value["pipeline"]] if name in SUBPIPELINES and "pipeline" in value else []


def _refuse_metadata(stages: Any) -> None:
    """Reject metadata of a search other than its score."""
    for part in _parts(stages):
        if isinstance(part, Mapping) and len(part) == 1:
            meta = part.get("$meta")
            if meta in _UNSUPPORTED_METAS:
                raise _unsupported(f"$meta: {meta!r} is not supported here; searchScore is")
        if _is_search_meta(part):
            raise _unsupported("$$SEARCH_META is not supported here; count with $count")


def _is_search_meta(part: Any) -> bool:
    return isinstance(part, str) and part.startswith("$$SEARCH_META")


def _parts(value: Any) -> Iterator[Any]:
    """The value and everything in it except literals."""
    yield value
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key != "$literal":
                yield from _parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _parts(inner)


def _unsupported(message: str) -> CommandError:
    return CommandError(115, "CommandNotSupported", message)
