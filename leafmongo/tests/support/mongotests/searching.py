"""What many tests need: vectors, definitions, searches, waiting."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from bson import Binary
from pymongo.collection import Collection
from pymongo.operations import SearchIndexModel

Documents = Collection[dict[str, Any]]


def float32(row: np.ndarray) -> Binary:
    return Binary(b"\x27\x00" + row.astype("<f4").tobytes(), 9)


def int8(row: np.ndarray) -> Binary:
    return Binary(b"\x03\x00" + row.astype("i1").tobytes(), 9)


def bits(row: np.ndarray) -> Binary:
    """Pack a row of zeros and ones, whose length is a multiple of eight."""
    return Binary(b"\x10\x00" + np.packbits(row.astype(bool)).tobytes(), 9)


def definition(dimensions: int, similarity: str = "dotProduct", *filters: str) -> dict[str, Any]:
    vector = {
        "type": "vector",
        "path": "v",
        "numDimensions": dimensions,
        "similarity": similarity,
    }
    return {"fields": [vector, *({"type": "filter", "path": path} for path in filters)]}


def model(definition: dict[str, Any], name: str = "default") -> SearchIndexModel:
    return SearchIndexModel(definition, name=name, type="vectorSearch")


def create(documents: Documents, definition: dict[str, Any], name: str = "default") -> None:
    """Create an index and wait until it answers."""
    documents.create_search_index(model(definition, name))
    wait_for(lambda: entry(documents, name)["queryable"])


def entry(documents: Documents, name: str = "default") -> dict[str, Any]:
    (found,) = documents.list_search_indexes(name)
    return dict(found)


def wait_for(condition: Callable[[], Any], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition has not become true"
        time.sleep(0.02)


def stage(vector: Any, *, limit: int = 10, index: str = "default", **more: Any) -> dict[str, Any]:
    search = {"index": index, "path": "v", "queryVector": vector, "limit": limit, **more}
    if "exact" not in search:
        search["numCandidates"] = max(limit, 100)
    return {"$vectorSearch": search}


def unit_rows(count: int, dimensions: int, *, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
