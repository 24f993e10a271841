"""`$scoreFusion`: the scores of several searches, normalised and combined.

    none            the score of the search times the weight
    sigmoid         1 / (1 + exp(-score)) times the weight
    minMaxScaler    (s - least) / (largest - least) over what the input found, s being the score
                    times the weight; 0 where all are equal

A document that an input did not find has 0 there. `avg` divides the sum by the number of inputs.
`expression` sees each input's value as the variable `$$name`, and the fields of the document;
mongod evaluates it. As on the real server, minMaxScaler undoes any weight but 0, and an expression
without `method: "expression"` has no effect.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leafmongo.engine import CommandError
from leafmongo.queries.fusion import (
    FusionInput,
    Options,
    Place,
    Places,
    best_first,
    parse_inputs,
    require_pipelines,
)
from leafmongo.queries.rewrite import FoundDocuments
from leafmongo.queries.score_meta import SCORE_FUSION, Combined

NORMALIZATIONS = ("none", "sigmoid", "minMaxScaler")
_METHODS = ("avg", "expression")
_FUSIONS = ("$rankFusion", "$scoreFusion")
_SCORED = frozenset({"$search", "$vectorSearch", *_FUSIONS})
_SELECTING = frozenset(
    {"$geoNear", "$limit", "$match", "$sample", "$score", "$search", "$skip", "$sort"}
    | {"$vectorSearch"}
)
_WHAT_BEGINS = "an input of $scoreFusion begins with $search or $vectorSearch, or has a $score"


@dataclass(frozen=True)
class ScoreFusion:
    """`expression` is None for the average; else a tuple of the expression alone."""

    inputs: Sequence[FusionInput]
    normalization: str
    expression: tuple[Any] | None
    details: bool

    @classmethod
    def parse(cls, value: Any) -> "ScoreFusion":
        stage = Options(value, SCORE_FUSION)
        stage.require_known("input", "combination", "scoreDetails")
        given = stage.need("input")
        given.require_known("pipelines", "normalization")
        normalization = given.choice("normalization", NORMALIZATIONS, "none")
        pipelines = given.need("pipelines")
        require_pipelines(pipelines)
        combination = stage.section("combination")
        if combination is not None:
            combination.require_known("weights", "method", "expression")
            combination.choice("method", _METHODS, "avg")
            combination.section("weights")
        details = stage.boolean("scoreDetails")
        for name, pipeline in pipelines.value.items():
            _require_scored(f"{pipelines.where}.{name}", pipeline)
        inputs = parse_inputs(SCORE_FUSION, pipelines, combination)
        expression = _expression(combination.value) if combination else None
        return cls(inputs, normalization, expression, details)

    def fuse(self, found: Sequence[FoundDocuments], wanted: int | None = None) -> FoundDocuments:
        """Best first; mongod orders equal scores by _id, and all scores of an expression."""
        places = Places.of(self.inputs, found)
        values = [
            self._normalised(each, place)
            for each, place in zip(self.inputs, places.inputs, strict=True)
        ]
        scores = {
            key: math.fsum(value.get(key, 0.0) for value in values) / len(values)
            for key in places.ids
        }
        keys = best_first(scores, None if self.expression else wanted)
        details = [self._details(places, values, key, scores[key]) for key in keys]
        return FoundDocuments(
            [places.ids[key] for key in keys],
            [scores[key] for key in keys],
            fused=True,
            details=details if self.details else None,
            combined=self._combined(values, keys),
        )

    def _combined(
        self, values: Sequence[Mapping[Any, float]], keys: Sequence[Any]
    ) -> Combined | None:
        if self.expression is None:
            return None
        names = [each.name for each in self.inputs]
        parts = [
            {name: value.get(key, 0.0) for name, value in zip(names, values, strict=True)}
            for key in keys
        ]
        return Combined(parts, names, self.expression[0])

    def _normalised(self, given: FusionInput, places: Mapping[Any, Place]) -> dict[Any, float]:
        if self.normalization == "sigmoid":
            return {k: given.weight * _sigmoid(at.score) for k, at in places.items()}
        weighted = {key: given.weight * at.score for key, at in places.items()}
        if self.normalization == "none" or not weighted:
            return weighted
        least, largest = min(weighted.values()), max(weighted.values())
        span = largest - least
        return {key: (s - least) / span if span else 0.0 for key, s in weighted.items()}

    def _details(
        self,
        places: Places,
        values: Sequence[Mapping[Any, float]],
        key: Any,
        score: float,
    ) -> dict[str, Any]:
        """As `{$meta: "scoreDetails"}` shows it; inputs without the document have no details."""
        parts: list[dict[str, Any]] = []
        for each, place, value in zip(self.inputs, places.inputs, values, strict=True):
            at = place.get(key)
            part = {
                "inputPipelineName": each.name,
                "inputPipelineRawScore": at.score if at else 0,
                "weight": each.weight,
                "value": value.get(key, 0),
            }
            parts.append({**part, "details": []} if at else part)
        combination: dict[str, Any] = {"method": "average"}
        if self.expression is not None:
            shown = _shown({"string": self.expression[0]})
            combination = {"method": "custom expression", "expression": shown}
        return {
            "value": score,
            "description": "the scores of the input pipelines, normalized and combined:",
            "normalization": self.normalization,
            "combination": combination,
            "details": parts,
        }


def _expression(combination: Mapping[str, Any]) -> tuple[Any] | None:
    given = "expression" in combination
    method = combination.get("method")
    if method is not None and given != (method == "expression"):
        raise CommandError(
            10017300,
            "Location10017300",
            f'"{SCORE_FUSION}.combination.expression" goes with method "expression", and only with '
            "it",
        )
    if method is None or not given:
        return None
    if combination.get("weights") is not None:
        raise CommandError(
            10017301,
            "Location10017301",
            f'"{SCORE_FUSION}.combination" has an expression and weights; expected one of them: '
            "multiply in the expression",
        )
    return (combination["expression"],)


def _require_scored(where: str, pipeline: Sequence[Any]) -> None:
    names = [next(iter(stage), "") if isinstance(stage, Mapping) else "" for stage in pipeline]
    if not names:
        raise CommandError(9402503, "Location9402503", f'"{where}" is empty; {_WHAT_BEGINS}')
    if nested := next((name for name in names if name in _FUSIONS), ""):
        raise CommandError(
            10473003, "Location10473003", f'"{where}" has a {nested} of its own; {_WHAT_BEGINS}'
        )
    if names[0] not in _SCORED and "$score" not in names:
        raise CommandError(9402500, "Location9402500", f'"{where}" gives no scores; {_WHAT_BEGINS}')
    stored = isinstance(pipeline[0], Mapping) and _returns_stored_source(pipeline[0])
    if other := next((name for name in names if name not in _SELECTING), "") or (
        names[0] if stored else ""
    ):
        raise CommandError(
            9402502,
            "Location9402502",
            f'"{where}" has a {other} that changes documents; expected stages that retrieve, limit '
            "or order them",
        )


def _returns_stored_source(stage: Mapping[str, Any]) -> bool:
    options = stage.get("$search")
    return isinstance(options, Mapping) and bool(options.get("returnStoredSource"))


def _sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score))


def _shown(value: Any) -> str:
    """An expression as the server writes it into details."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key}: {_shown(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[ " + ", ".join(map(_shown, value)) + " ]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else str(value)
