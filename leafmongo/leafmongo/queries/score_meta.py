"""Stages that carry a score for `{$meta: "vectorSearchScore"}` and the like.

A mongod without search knows no such score. It travels in a field of its own, `CARRIER`, from the
stages that fetch the documents to the last stage that reads it, which removes the field again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CARRIER = "__leaf"
RANK_FUSION, SCORE_FUSION = "$rankFusion", "$scoreFusion"
FUSIONS = frozenset({RANK_FUSION, SCORE_FUSION})
_SCORE, _DETAILS = f"${CARRIER}.score", f"${CARRIER}.details"
# By search: the names that `$meta` has for its score, and where the score is.
METAS: dict[str, "Metas"] = {
    "$vectorSearch": {"vectorSearchScore": _SCORE, "score": _SCORE},
    "$search": {"searchScore": _SCORE, "score": _SCORE},
    RANK_FUSION: {"score": _SCORE},
    SCORE_FUSION: {"score": _SCORE},
}
DETAILED: "Metas" = {**METAS[RANK_FUSION], "scoreDetails": _DETAILS}
_WHOLE = frozenset({"$$ROOT", "$$CURRENT"})
# Stages that make new documents, which have no carrier.
_ENDING = frozenset({"$group", "$bucket", "$bucketAuto", "$count", "$sortByCount", "$facet"})

Stage = Mapping[str, Any]
Metas = Mapping[str, str]


@dataclass(frozen=True)
class Combined:
    """An expression for the score, over `parts`: numbers by name for each document."""

    parts: Sequence[Mapping[str, float]]
    names: Sequence[str]
    expression: Any


def fetch(ids: Sequence[Any], scores: Sequence[float]) -> list[dict[str, Any]]:
    """Stages that return the documents of these ids in this order, each with its carrier.

    mongod looks up a constant array by hash: 10,000 documents take 0.5 s, 100,000 take 3.5 s.
    """
    rank = {"$indexOfArray": [{"$literal": list(ids)}, "$_id"]}
    return [
        {"$match": {"_id": {"$in": list(ids)}}},
        {"$set": {CARRIER: {"rank": rank}}},
        {"$set": {CARRIER: {"rank": f"${CARRIER}.rank", "score": _of_rank(scores)}}},
        {"$sort": {f"{CARRIER}.rank": 1}},
    ]


def combine(combined: Combined) -> list[dict[str, Any]]:
    """Stages that compute the score; mongod refuses one that is not a number."""
    named = {name: f"${CARRIER}.parts.{name}" for name in combined.names}
    computed = {"$let": {"vars": named, "in": _substitute(combined.expression, {})}}
    number = {"$multiply": [{"$ifNull": [computed, "null"]}, 1]}
    return [
        {"$set": {f"{CARRIER}.parts": _of_rank(combined.parts)}},
        {"$set": {f"{CARRIER}.score": number}},
        {"$unset": f"{CARRIER}.parts"},
    ]


def refine(details: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """Stages that order documents of equal score by id, and add `details`."""
    by_score = [{"$sort": {f"{CARRIER}.score": -1, "_id": 1}}]
    if details is None:
        return by_score
    value = {"value": _SCORE}  # an expression gives the score only here
    shown = {"$mergeObjects": [value, _of_rank(details), value]}
    return [{"$set": {f"{CARRIER}.details": shown}}, *by_score]


def replace_by(stored: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Stages that replace each document by what the index has stored of it."""
    found = _of_rank(stored)
    return [{"$replaceWith": {"$mergeObjects": [found, {CARRIER: f"${CARRIER}"}]}}]


def _of_rank(values: Sequence[Any]) -> dict[str, Any]:
    return {"$arrayElemAt": [{"$literal": list(values)}, f"${CARRIER}.rank"]}


def carry(stages: Sequence[Stage], metas: Metas) -> list[dict[str, Any]]:
    """The client's stages over documents with a carrier; its last reader removes it."""
    last = max((at for at, stage in enumerate(stages) if _reads(stage, metas)), default=-1)
    carried: list[dict[str, Any]] = []
    for at, stage in enumerate(stages[: last + 1]):
        carried.append(_read(stage, metas, kept=at < last))
        if next(iter(stage), "") in _ENDING:
            return carried + [dict(stage) for stage in stages[at + 1 :]]
    rest = [dict(stage) for stage in stages[last + 1 :]]
    return [*carried, {"$unset": CARRIER}, *rest]


def _reads(value: Any, metas: Metas) -> bool:
    if isinstance(value, Mapping):
        if len(value) == 1 and _meta(value) in metas:
            return True
        return any(_reads(inner, metas) for key, inner in value.items() if key != "$literal")
    return isinstance(value, list) and any(_reads(inner, metas) for inner in value)


def _read(stage: Stage, metas: Metas, *, kept: bool) -> dict[str, Any]:
    name, value = next(iter(stage.items()))
    if name == "$sort" and isinstance(value, Mapping):
        return {"$sort": _sort(value, metas)}
    if name == "$facet" and isinstance(value, Mapping):
        return {"$facet": {key: carry(branch, metas) for key, branch in value.items()}}
    read = _substitute(value, metas)
    if kept and name == "$project" and _is_inclusion(read):
        read = {**read, CARRIER: 1}
    elif kept and name == "$replaceWith":
        read = {"$mergeObjects": [read, {CARRIER: f"${CARRIER}"}]}
    elif kept and name == "$replaceRoot" and isinstance(read, Mapping):
        merged = [read.get("newRoot"), {CARRIER: f"${CARRIER}"}]
        read = {**read, "newRoot": {"$mergeObjects": merged}}
    return {name: read}


def _sort(keys: Mapping[str, Any], metas: Metas) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, direction in keys.items():
        if _reads(direction, metas):
            read |= {f"{CARRIER}.score": -1, f"{CARRIER}.rank": 1}
        else:
            read[key] = direction
    return read


def _substitute(value: Any, metas: Metas) -> Any:
    if isinstance(value, Mapping):
        if len(value) == 1 and (meta := _meta(value)) in metas:
            return metas[meta]
        return {k: v if k == "$literal" else _substitute(v, metas) for k, v in value.items()}
    if isinstance(value, list):
        return [_substitute(inner, metas) for inner in value]
    if isinstance(value, str) and value in _WHOLE:
        return {"$unsetField": {"field": CARRIER, "input": value}}
    return value


def _meta(value: Mapping[str, Any]) -> str:
    meta = value.get("$meta")
    return meta if isinstance(meta, str) else ""


def _is_inclusion(projection: Any) -> bool:
    if not isinstance(projection, Mapping):
        return False
    kept = [value for key, value in projection.items() if key != "_id"]
    return bool(kept) and not any(map(_excludes, kept))


def _excludes(value: Any) -> bool:
    """Whether a projection excludes the field or one inside it."""
    if isinstance(value, Mapping):
        return not any(key.startswith("$") for key in value) and any(map(_excludes, value.values()))
    return isinstance(value, bool | int | float) and not value
