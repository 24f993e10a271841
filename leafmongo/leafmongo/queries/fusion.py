"""Stages that fuse searches of one collection: what `$rankFusion` and `$scoreFusion` share.

Here each input is one search with an optional `$limit`; only the real server takes inputs with a
`$match`, `$sort` or `$score` of their own. Errors have the real server's codes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leafmongo.engine import CommandError
from leafmongo.engine.documents.batch import id_key
from leafmongo.engine.parser import show
from leafmongo.queries.rewrite import FoundDocuments, is_count

_SEARCHES = ("$vectorSearch", "$search")
_BAD_VALUE, _FAILED_TO_PARSE, _TYPE = (2, "BadValue"), (9, "FailedToParse"), (14, "TypeMismatch")
_MISSING, _UNKNOWN = (40414, "Location40414"), (40415, "Location40415")
_NUMBERS = (int, float)


@dataclass(frozen=True)
class FusionInput:
    name: str
    stage: str
    options: Any
    limit: int | None
    weight: float


@dataclass(frozen=True)
class Place:
    """Where an input has a document: its rank from 1, and the score of the search."""

    rank: int
    score: float


@dataclass(frozen=True)
class Places:
    """The documents that the inputs found, as (id, its place in each input that has it)."""

    ids: Mapping[Any, Any]
    inputs: Sequence[Mapping[Any, Place]]

    @classmethod
    def of(cls, inputs: Sequence[FusionInput], found: Sequence[FoundDocuments]) -> "Places":
        ids: dict[Any, Any] = {}
        places: list[dict[Any, Place]] = []
        for each, one in zip(inputs, found, strict=True):
            pairs = list(zip(one.ids, one.scores, strict=True))[: each.limit]
            keys = [id_key(id) for id, _ in pairs]
            for key, (id, _) in zip(keys, pairs, strict=True):
                ids.setdefault(key, id)
            scores = (score for _, score in pairs)
            ranked = (Place(rank, score) for rank, score in enumerate(scores, start=1))
            places.append(dict(zip(keys, ranked, strict=True)))
        return cls(ids, places)


def best_first(scores: Mapping[Any, float], wanted: int | None) -> list[Any]:
    """Keys by score; the first `wanted` and those with the score of the last, which mongod orders
    by _id."""
    keys = sorted(scores, key=lambda key: -scores[key])
    if wanted is None or len(keys) <= wanted:
        return keys
    least = scores[keys[wanted - 1]]
    return [key for key in keys if scores[key] >= least]


class Options:
    """The options of a fusion stage, or of a document inside them; an error names their path."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, Mapping):
            code = _TYPE if "." in where else _FAILED_TO_PARSE
            raise _refused(code, f'"{where}" must be an object; {show(value)} was given')
        self.value: Mapping[str, Any] = value
        self.where = where

    def require_known(self, *names: str) -> None:
        if unknown := [name for name in self.value if name not in names]:
            raise _refused(
                _UNKNOWN,
                f'unrecognized field "{self.where}.{unknown[0]}"; expected some of '
                f"{', '.join(names)}",
            )

    def section(self, name: str) -> "Options | None":
        if self.value.get(name) is None:
            return None
        return Options(self.value[name], f"{self.where}.{name}")

    def need(self, name: str) -> "Options":
        found = self.section(name)
        if found is None:
            raise _refused(_MISSING, f'"{self.where}.{name}" is required')
        return found

    def boolean(self, name: str) -> bool:
        value = self.value.get(name)
        if value is not None and not isinstance(value, bool):
            raise _refused(
                _TYPE, f'"{self.where}.{name}" must be a boolean; {show(value)} was given'
            )
        return bool(value)

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        value = self.value.get(name)
        if value is None:
            return default
        if value not in allowed:
            code = _BAD_VALUE if isinstance(value, str) else _TYPE
            raise _refused(
                code,
                f'"{self.where}.{name}" must be one of [{", ".join(allowed)}]; {show(value)} was '
                "given",
            )
        return str(value)


def require_pipelines(pipelines: Options) -> None:
    """What the server checks before it looks into the pipelines."""
    if not pipelines.value:
        raise _refused(_BAD_VALUE, f'"{pipelines.where}" cannot be empty')
    for name, pipeline in pipelines.value.items():
        if not isinstance(pipeline, list):
            raise _refused(
                _TYPE, f'"{pipelines.where}.{name}" must be an array; {show(pipeline)} was given'
            )


def parse_inputs(
    stage: str, pipelines: Options, combination: Options | None
) -> tuple[FusionInput, ...]:
    """In the order of the names, as the server goes through them."""
    for name in pipelines.value:
        _require_name(name)
    given = combination.section("weights") if combination else None
    weights = _weights(stage, given, list(pipelines.value)) if given else {}
    return tuple(
        _input(stage, pipelines, name, weights.get(name, 1.0)) for name in sorted(pipelines.value)
    )


def _weights(stage: str, weights: Options, names: Sequence[str]) -> dict[str, float]:
    others = [name for name in weights.value if name not in names]
    if len(weights.value) > len(names):
        raise CommandError(
            9460301,
            "Location9460301",
            f'"{weights.where}" has {len(weights.value)} weights for {len(names)} pipelines; '
            f"no pipeline is called {', '.join(others)}",
        )
    if others:
        raise CommandError(
            9967500,
            "Location9967500",
            f'"{weights.where}" has weights of pipelines that {stage} does not have: '
            f"{', '.join(others)}; expected some of {', '.join(names)}",
        )
    return {name: _weight(weights, name) for name in weights.value}


def _weight(weights: Options, name: str) -> float:
    value = weights.value[name]
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        raise _refused(_TYPE, f'"{weights.where}.{name}" must be a number; {show(value)} was given')
    if not value >= 0:
        raise CommandError(
            9460300,
            "Location9460300",
            f'"{weights.where}.{name}" must be a number of at least 0; {show(value)} was given',
        )
    return float(value)


def _require_name(name: str) -> None:
    problems = {
        15998: not name,
        16410: name.startswith("$"),
        16411: "\0" in name,
        16412: "." in name,
    }
    if code := next((code for code, wrong in problems.items() if wrong), 0):
        raise CommandError(
            code,
            f"Location{code}",
            f'"{name}" cannot name a pipeline: it is empty, begins with $ or contains a dot',
        )


def _input(stage: str, pipelines: Options, name: str, weight: float) -> FusionInput:
    stages = [
        list(each.items()) if isinstance(each, Mapping) else [] for each in pipelines.value[name]
    ]
    match stages:
        case [[(search, options)]] if _is_plain(search, options):
            return FusionInput(name, search, options, None, weight)
        case [[(search, options)], [("$limit", limit)]] if _is_plain(search, options):
            if is_count(limit):
                return FusionInput(name, search, options, int(limit), weight)
    raise CommandError(
        115,
        "CommandNotSupported",
        f'"{pipelines.where}.{name}" is not supported here: a pipeline of {stage} is one '
        f"{' or '.join(_SEARCHES)} of whole documents, optionally with a $limit after it",
    )


def _is_plain(stage: str, options: Any) -> bool:
    """Whether the stage is a search that returns documents as they are in the collection."""
    stored = isinstance(options, Mapping) and options.get("returnStoredSource")
    return stage in _SEARCHES and not stored


def _refused(code: tuple[int, str], message: str) -> CommandError:
    return CommandError(*code, message)
