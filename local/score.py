"""Pipelines that carry a score: `{$meta: "vectorSearchScore"}` as mongod without it can do it.

The score travels in a field of its own, `CARRIER`, from the stages that fetch the documents to
the last stage that asks for it, and is taken out again there: documents come out as stored.
"""

from collections.abc import Mapping, Sequence
from typing import Any

CARRIER = "__leaf"
SCORE = f"${CARRIER}.score"
_METAS = frozenset({"vectorSearchScore", "score"})
_WHOLE = frozenset({"$$ROOT", "$$CURRENT"})
# Stages whose results are new documents: what the old ones carried has ended.
_ENDING = frozenset({"$group", "$bucket", "$bucketAuto", "$count", "$sortByCount", "$facet"})

Stage = Mapping[str, Any]


def fetch(ids: Sequence[Any], scores: Sequence[float]) -> list[dict[str, Any]]:
    """Stages that give the documents of these ids in this order, each with its carrier."""
    rank = {"$indexOfArray": [{"$literal": list(ids)}, "$_id"]}
    score = {"$arrayElemAt": [{"$literal": list(scores)}, f"${CARRIER}.rank"]}
    return [
        {"$match": {"_id": {"$in": list(ids)}}},
        {"$set": {CARRIER: {"rank": rank}}},
        {"$set": {CARRIER: {"rank": f"${CARRIER}.rank", "score": score}}},
        {"$sort": {f"{CARRIER}.rank": 1}},
    ]


def replace_by(stored: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Stages that put what the index has stored in the place of each document."""
    found = {"$arrayElemAt": [{"$literal": list(stored)}, f"${CARRIER}.rank"]}
    return [{"$replaceWith": {"$mergeObjects": [found, {CARRIER: f"${CARRIER}"}]}}]


def carry(stages: Sequence[Stage]) -> list[dict[str, Any]]:
    """The client's stages over documents with a carrier; its last reader takes it out."""
    last = max((at for at, stage in enumerate(stages) if _asks(stage)), default=-1)
    carried: list[dict[str, Any]] = []
    for at, stage in enumerate(stages[: last + 1]):
        carried.append(_read(stage, kept=at < last))
        if next(iter(stage), "") in _ENDING:
            return carried + [dict(stage) for stage in stages[at + 1 :]]
    rest = [dict(stage) for stage in stages[last + 1 :]]
    return [*carried, {"$unset": CARRIER}, *rest]


def _asks(value: Any) -> bool:
    if isinstance(value, Mapping):
        if len(value) == 1 and value.get("$meta") in _METAS:
            return True
        return any(_asks(inner) for key, inner in value.items() if key != "$literal")
    return isinstance(value, list) and any(_asks(inner) for inner in value)


def _read(stage: Stage, *, kept: bool) -> dict[str, Any]:
    name, value = next(iter(stage.items()))
    if name == "$sort" and isinstance(value, Mapping):
        return {"$sort": _sort(value)}
    if name == "$facet" and isinstance(value, Mapping):
        return {"$facet": {key: carry(branch) for key, branch in value.items()}}
    read = _substitute(value)
    if kept and name == "$project" and _is_inclusion(read):
        read = {**read, CARRIER: 1}
    elif kept and name == "$replaceWith":
        read = {"$mergeObjects": [read, {CARRIER: f"${CARRIER}"}]}
    elif kept and name == "$replaceRoot" and isinstance(read, Mapping):
        merged = [read.get("newRoot"), {CARRIER: f"${CARRIER}"}]
        read = {**read, "newRoot": {"$mergeObjects": merged}}
    return {name: read}


def _sort(keys: Mapping[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, direction in keys.items():
        if _asks(direction):
            read |= {f"{CARRIER}.score": -1, f"{CARRIER}.rank": 1}
        else:
            read[key] = direction
    return read


def _substitute(value: Any) -> Any:
    if isinstance(value, Mapping):
        if len(value) == 1 and value.get("$meta") in _METAS:
            return SCORE
        return {k: v if k == "$literal" else _substitute(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_substitute(inner) for inner in value]
    if isinstance(value, str) and value in _WHOLE:
        return {"$unsetField": {"field": CARRIER, "input": value}}
    return value


def _is_inclusion(projection: Any) -> bool:
    if not isinstance(projection, Mapping):
        return False
    kept = [value for key, value in projection.items() if key != "_id"]
    excluded = any(isinstance(value, bool | int | float) and not value for value in kept)
    return bool(kept) and not excluded
