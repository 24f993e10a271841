"""`$rankFusion`: a document's score is the sum of weight / (60 + rank) over the searches that find
it, rank from 1 (Cormack, Clarke and Buettcher, SIGIR 2009)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from leafmongo.queries.fusion import (
    FusionInput,
    Options,
    Places,
    best_first,
    parse_inputs,
    require_pipelines,
)
from leafmongo.queries.rewrite import FoundDocuments
from leafmongo.queries.score_meta import RANK_FUSION

_CONSTANT = 60


@dataclass(frozen=True)
class RankFusion:
    inputs: Sequence[FusionInput]
    details: bool

    @classmethod
    def parse(cls, value: Any) -> "RankFusion":
        stage = Options(value, RANK_FUSION)
        stage.require_known("input", "combination", "scoreDetails")
        given = stage.need("input")
        given.require_known("pipelines")
        pipelines = given.need("pipelines")
        require_pipelines(pipelines)
        combination = stage.section("combination")
        if combination is not None:
            combination.require_known("weights")
        details = stage.boolean("scoreDetails")
        return cls(parse_inputs(RANK_FUSION, pipelines, combination), details)

    def fuse(self, found: Sequence[FoundDocuments], wanted: int | None = None) -> FoundDocuments:
        """Fuse what each input found, best first; mongod orders equal scores by _id."""
        places = Places.of(self.inputs, found)
        scores = dict.fromkeys(places.ids, 0.0)
        for each, place in zip(self.inputs, places.inputs, strict=True):
            for key, at in place.items():
                scores[key] += each.weight / (_CONSTANT + at.rank)
        keys = best_first(scores, wanted)
        details = [self._details(places, key, scores[key]) for key in keys]
        return FoundDocuments(
            [places.ids[key] for key in keys],
            [scores[key] for key in keys],
            fused=True,
            details=details if self.details else None,
        )

    def _details(self, places: Places, key: Any, score: float) -> dict[str, Any]:
        """As `{$meta: "scoreDetails"}` shows it; inputs without the document have no rank."""
        parts: list[dict[str, Any]] = []
        for each, place in zip(self.inputs, places.inputs, strict=True):
            at = place.get(key)
            part = {
                "inputPipelineName": each.name,
                "rank": at.rank if at else "NA",
                "weight": each.weight,
            }
            parts.append({**part, "value": at.score, "details": []} if at else part)
        summed = f"the sum of weight / ({_CONSTANT} + rank) over the input pipelines:"
        return {"value": score, "description": summed, "details": parts}
