"""`$rankFusion`: several searches of one collection, ranked together.

A document's score is the sum of weight / (60 + rank) over the searches that find it, rank from 1
(Cormack, Clarke and Buettcher, SIGIR 2009). Here each input is one search with an optional
`$limit`; only the real server takes inputs with a `$match` or `$sort` of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leafmongo.engine import CommandError
from leafmongo.engine.documents.batch import id_key
from leafmongo.engine.errors import Refused
from leafmongo.engine.parser import Section, show
from leafmongo.queries.rewrite import FoundDocuments, is_count
from leafmongo.queries.score_meta import FUSION

_CONSTANT = 60
_SEARCHES = ("$vectorSearch", "$search")


@dataclass(frozen=True)
class FusionInput:
    name: str
    stage: str
    options: Any
    limit: int | None
    weight: float


@dataclass(frozen=True)
class Fusion:
    inputs: Sequence[FusionInput]
    details: bool


def parse_fusion(options: Any) -> Fusion:
    try:
        if not isinstance(options, Mapping):
            raise Refused(f"{FUSION} must be an object; {show(options)} was given")
        return _parse(Section(options, FUSION))
    except Refused as refused:
        raise CommandError(9, "FailedToParse", str(refused)) from refused


def fuse(fusion: Fusion, found: Sequence[FoundDocuments]) -> FoundDocuments:
    """Fuse what each input found, best first; mongod orders equal scores by _id."""
    ids: dict[Any, Any] = {}
    scores: dict[Any, float] = {}
    places: list[dict[Any, tuple[int, float]]] = []
    for each, one in zip(fusion.inputs, found, strict=True):
        place: dict[Any, tuple[int, float]] = {}
        pairs = list(zip(one.ids, one.scores, strict=True))[: each.limit]
        for rank, (id, score) in enumerate(pairs, start=1):
            key = id_key(id)
            ids.setdefault(key, id)
            place[key] = rank, score
            scores[key] = scores.get(key, 0.0) + each.weight / (_CONSTANT + rank)
        places.append(place)
    keys = sorted(scores, key=lambda key: -scores[key])
    details = [_details(fusion, places, key, scores[key]) for key in keys]
    return FoundDocuments(
        [ids[key] for key in keys],
        [scores[key] for key in keys],
        fused=True,
        details=details if fusion.details else None,
    )


def _details(
    fusion: Fusion, places: Sequence[Mapping[Any, tuple[int, float]]], key: Any, score: float
) -> dict[str, Any]:
    """As `{$meta: "scoreDetails"}` shows it; inputs without the document have no rank."""
    parts: list[dict[str, Any]] = []
    for each, place in zip(fusion.inputs, places, strict=True):
        rank, value = place.get(key, ("NA", None))
        part = {"inputPipelineName": each.name, "rank": rank, "weight": each.weight}
        parts.append({**part, "value": value, "details": []} if value is not None else part)
    summed = f"the sum of weight / ({_CONSTANT} + rank) over the input pipelines:"
    return {"value": score, "description": summed, "details": parts}


def _parse(section: Section) -> Fusion:
    given = section.need("input", section.section("input"))
    pipelines = given.need("pipelines", given.section("pipelines"))
    given.refuse_other_keys()
    combination = section.section("combination") or Section({})
    weights = combination.section("weights") or Section({})
    combination.refuse_other_keys()
    details = section.boolean("scoreDetails") or False
    section.refuse_other_keys()
    names = list(given.value("pipelines"))
    if not names:
        raise given.refused("pipelines", "cannot be empty")
    inputs = [_input(pipelines, name, _weight(weights, name)) for name in names]
    weights.refuse_other_keys()
    return Fusion(inputs, details)


def _weight(weights: Section, name: str) -> float:
    value = weights.value(name)
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise weights.refused(name, f"must be a number of at least 0; {show(value)} was given")
    return float(value)


def _input(pipelines: Section, name: str, weight: float) -> FusionInput:
    if not name or name.startswith("$") or "." in name:
        raise Refused(
            f'"{name}" cannot name a pipeline: it is empty, begins with $ or contains a dot'
        )
    pipeline = pipelines.need(name, pipelines.array(name))
    stages = [list(stage.items()) if isinstance(stage, Mapping) else [] for stage in pipeline]
    match stages:
        case [[(stage, options)]] if _is_plain(stage, options):
            return FusionInput(name, stage, options, None, weight)
        case [[(stage, options)], [("$limit", limit)]] if _is_plain(stage, options):
            if is_count(limit):
                return FusionInput(name, stage, options, int(limit), weight)
    raise CommandError(
        115,
        "CommandNotSupported",
        f'"{pipelines.name(name)}" is not supported here: a pipeline of {FUSION} is one '
        f"{' or '.join(_SEARCHES)} of whole documents, optionally with a $limit after it",
    )


def _is_plain(stage: str, options: Any) -> bool:
    """Whether the stage is a search that returns documents as they are in the collection."""
    stored = isinstance(options, Mapping) and options.get("returnStoredSource")
    return stage in _SEARCHES and not stored
