"""Builders of definitions and stages, so that a test states only what matters to it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest
from bson.binary import VECTOR_SUBTYPE, Binary

from leafmongo.engine import VectorIndex, parse_definition, parse_query

HEADERS = {"float32": b"\x27\x00", "int8": b"\x03\x00", "packed_bit": b"\x10\x00"}
DTYPES = {"float32": "<f4", "int8": "i1", "packed_bit": "u1"}


@pytest.fixture
def binary() -> Callable[..., Binary]:
    """binary("int8", values): BinData subtype 9; packed_bit takes whole bytes."""

    def build(kind: str, values: Any) -> Binary:
        return Binary(HEADERS[kind] + np.asarray(values, DTYPES[kind]).tobytes(), VECTOR_SUBTYPE)

    return build


@pytest.fixture
def vector_field() -> Callable[..., dict[str, Any]]:
    def build(**changes: Any) -> dict[str, Any]:
        base = {"type": "vector", "path": "v", "numDimensions": 2, "similarity": "euclidean"}
        return {key: value for key, value in {**base, **changes}.items() if value is not ...}

    return build


@pytest.fixture
def make_index(vector_field: Callable[..., dict[str, Any]]) -> Callable[..., VectorIndex]:
    """make_index(docs, filters, top, **vector): `top` are further keys of the definition."""

    def build(
        docs: Iterable[Mapping[str, Any]] = (),
        filters: Iterable[str] = (),
        top: Mapping[str, Any] | None = None,
        **vector: Any,
    ) -> VectorIndex:
        fields = [vector_field(**vector), *({"type": "filter", "path": each} for each in filters)]
        index = VectorIndex(parse_definition({"fields": fields, **(top or {})}))
        index.upsert_many(docs)
        return index

    return build


@pytest.fixture
def stage() -> Callable[..., dict[str, Any]]:
    """A valid approximate stage; an option given as `...` is left out."""

    def build(**changes: Any) -> dict[str, Any]:
        base = {
            "index": "default",
            "path": "v",
            "queryVector": [1.0, 0.0],
            "limit": 10,
            "numCandidates": 100,
        }
        return {key: value for key, value in {**base, **changes}.items() if value is not ...}

    return build


@pytest.fixture
def exact(stage: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def build(**changes: Any) -> dict[str, Any]:
        return stage(**{"exact": True, "numCandidates": ..., **changes})

    return build


@pytest.fixture
def ids(stage: Callable[..., dict[str, Any]]) -> Callable[..., list[Any]]:
    """ids(index, **options): what the stage finds, best first."""

    def found(index: VectorIndex, **changes: Any) -> list[Any]:
        return [match.id for match in index.search(parse_query(stage(**changes)))]

    return found
