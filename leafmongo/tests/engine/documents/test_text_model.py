"""Automatic embedding by the model `hashing`: texts in, texts found. Section 1.2."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from leafmongo.engine import CommandError, VectorIndex, parse_definition, parse_query
from leafmongo.engine.documents.text_model import embed
from leafmongo.engine.documents.vector_column import NOT_A_TEXT

pytestmark = pytest.mark.semantics("1.2")

EMBEDDED = {"type": "autoEmbed", "path": "text", "model": "hashing", "modality": "text"}
TEXTS = ["the cat sat on the mat", "dogs bark at night", "a cat and a dog"]
Build = Callable[..., dict[str, Any]]


def index(**changes: Any) -> VectorIndex:
    fields = [{**EMBEDDED, **changes}, {"type": "filter", "path": "year"}]
    return VectorIndex(parse_definition({"fields": fields}))


def asked(stage: Build, **changes: Any) -> dict[str, Any]:
    return stage(**{"path": "text", "queryVector": ..., "query": "cat", **changes})


def filled(**changes: Any) -> VectorIndex:
    made = index(**changes)
    made.upsert_many({"_id": i, "text": t, "year": 2000 + i} for i, t in enumerate(TEXTS))
    return made


def ids(made: VectorIndex, stage: dict[str, Any]) -> list[Any]:
    return [match.id for match in made.search(parse_query(stage))]


def test_vector_has_length_one_and_ignores_case() -> None:
    one, other = embed("Cats sit", 256), embed("cats SIT", 256)

    assert one.values.tolist() == other.values.tolist()
    assert float(np.linalg.norm(one.values)) == pytest.approx(1)


@pytest.mark.parametrize("quantization", ["float", "scalar", "binary"])
@pytest.mark.parametrize("way", [{"exact": True, "numCandidates": ...}, {}], ids=["exact", "ann"])
def test_text_finds_the_text_that_shares_words(
    stage: Build, quantization: str, way: dict[str, Any]
) -> None:
    made = filled(quantization=quantization)

    assert ids(made, asked(stage, query="dogs at night", limit=1, **way)) == [1]
    assert ids(made, asked(stage, query={"text": "dogs at night"}, limit=1, **way)) == [1]


def test_filter_narrows_an_embedded_search(stage: Build) -> None:
    assert ids(filled(), asked(stage, filter={"year": {"$gt": 2000}}, limit=1)) == [2]


def test_changed_text_is_found_by_its_new_words(stage: Build) -> None:
    made = filled()
    made.upsert_many([{"_id": 0, "text": "whales sing"}])

    assert ids(made, asked(stage, query="whales", limit=1)) == [0]


@pytest.mark.parametrize("value", [None, 7, "", " \n", ["cat"], {"text": "cat"}])
def test_what_is_no_text_is_never_found(stage: Build, value: Any) -> None:
    made = index()
    made.upsert_many([{"_id": 1, "text": value}])

    assert ids(made, asked(stage)) == []
    assert made.stats().vectors == 0


def test_number_in_place_of_a_text_is_counted() -> None:
    made = index()
    made.upsert_many([{"_id": 1, "text": 7}])

    assert made.stats().skipped == {NOT_A_TEXT: 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"query": ..., "queryVector": [1.0, 0.0]}, "takes query, not queryVector"),
        ({"model": "voyage-4"}, "not compatible"),
        ({"filter": {"text": "cat"}}, "cannot be used in filters"),
    ],
    ids=["vector", "model", "filter"],
)
def test_query_that_does_not_fit_is_refused(
    stage: Build, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        filled().search(parse_query(asked(stage, **changes)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modality": "image"}, "modality"),
        ({"modality": None}, "is required"),
        ({"numDimensions": 300}, "must be one of"),
        ({"quantization": "none"}, "must be one of"),
        ({"x": 1}, "unrecognized"),
    ],
    ids=["modality", "no modality", "dimensions", "quantization", "unknown"],
)
def test_bad_definition_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        index(**changes)


def test_vectors_of_ones_own_do_not_mix_with_embedded_texts() -> None:
    own = {"type": "vector", "path": "v", "numDimensions": 2, "similarity": "cosine"}

    with pytest.raises(CommandError, match="must not mix"):
        parse_definition({"fields": [EMBEDDED, own]})
