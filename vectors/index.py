"""Index definitions and search pipelines, as pure functions that return what is sent."""

from collections.abc import Mapping, Sequence
from typing import Any

from bson.binary import Binary

from config.storage import Quantization, Similarity


def index_definition(
    *,
    path: str,
    dimensions: int,
    similarity: Similarity,
    quantization: Quantization,
    filters: Sequence[str],
) -> dict[str, Any]:
    vector: dict[str, Any] = {
        "type": "vector",
        "path": path,
        "numDimensions": dimensions,
        "similarity": similarity,
    }
    if quantization != "none":
        vector["quantization"] = quantization
    return {"fields": [vector, *({"type": "filter", "path": f} for f in filters)]}


def same_index(wanted: Mapping[str, Any], latest: Mapping[str, Any]) -> bool:
    """Whether the server's `latestDefinition` says what was `wanted`.

    Servers add defaults of their own and may reorder, so only what we set is compared.
    """
    return _essence(wanted) == _essence(latest)


def _essence(definition: Mapping[str, Any]) -> dict[tuple[str, str], tuple[Any, ...]]:
    keys = ("numDimensions", "similarity", "quantization")
    return {
        (str(f.get("type")), str(f.get("path"))): tuple(
            f.get(k, "none" if k == "quantization" and f.get("type") == "vector" else None)
            for k in keys
        )
        for f in definition.get("fields", ())
    }


def nearest_pipeline(
    vector: Binary,
    *,
    index: str,
    path: str,
    limit: int,
    num_candidates: int | None,
    filter: Mapping[str, Any] | None = None,
    keep_vector: bool = False,
) -> list[dict[str, Any]]:
    """`num_candidates` None asks for exact search. The score comes as `score`."""
    stage: dict[str, Any] = {"index": index, "path": path, "queryVector": vector, "limit": limit}
    if num_candidates is None:
        stage["exact"] = True
    else:
        stage["numCandidates"] = num_candidates
    if filter:
        stage["filter"] = dict(filter)
    pipeline = [
        {"$vectorSearch": stage},
        {"$set": {"score": {"$meta": "vectorSearchScore"}}},
    ]
    return pipeline if keep_vector else [*pipeline, {"$unset": path}]
