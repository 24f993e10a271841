"""Index definitions and pipeline stages as the server takes them; pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

from bson.binary import Binary

from leafsearch.config.storage import Quantization, Similarity


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


def is_same_index(wanted: Mapping[str, Any], latest: Mapping[str, Any]) -> bool:
    """Whether the server's `latestDefinition` has all that was `wanted`.

    Servers add defaults and may reorder, so only the fields that we set are compared.
    """
    if "mappings" in wanted:
        return _within(wanted["mappings"]["fields"], latest.get("mappings", {}).get("fields", {}))
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


def _within(wanted: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    return set(wanted) == set(fields) and all(
        any(_same_way(way, other) for other in _ways(fields[name]))
        for name, ways in wanted.items()
        for way in ways
    )


def _ways(field: Any) -> Sequence[Mapping[str, Any]]:
    """The types of a field; the server may return a single one without its list."""
    return [field] if isinstance(field, Mapping) else list(field)


def _same_way(wanted: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if wanted["type"] != other.get("type"):
        return False
    return wanted["type"] != "document" or _within(wanted["fields"], other.get("fields", {}))


def nearest_stage(
    vector: Binary,
    *,
    index: str,
    path: str,
    limit: int,
    num_candidates: int | None,
    filter: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A `$vectorSearch` stage; exact search if `num_candidates` is None."""
    stage: dict[str, Any] = {"index": index, "path": path, "queryVector": vector, "limit": limit}
    if num_candidates is None:
        stage["exact"] = True
    else:
        stage["numCandidates"] = num_candidates
    if filter:
        stage["filter"] = dict(filter)
    return {"$vectorSearch": stage}


def projection(fields: Sequence[str], score: str) -> dict[str, Any]:
    """Returns `fields`, and as `score` the `$meta` of this name: vectorSearchScore, ..."""
    return {"$project": {**dict.fromkeys(uppermost_paths(fields), 1), "score": {"$meta": score}}}


def uppermost_paths(paths: Sequence[str]) -> list[str]:
    """Drop paths below another path, which MongoDB rejects in a projection as a collision."""
    return [p for p in paths if not any(p.startswith(f"{other}.") for other in paths)]


_FILTERED_TYPES = ("token", "number", "date", "boolean", "objectId", "uuid")


def text_index_name(index: str) -> str:
    return f"{index}_text"


def text_index_definition(
    filters: Sequence[str], searched: Sequence[str], *, generations: bool
) -> dict[str, Any]:
    """A definition of type `search` over the `searched` paths, with the vector index's filters.

    `generations`: also index the generation, because the index holds the texts of all of them.
    """
    types = [{"type": name} for name in _FILTERED_TYPES]
    fields: dict[str, Any] = {}
    for path in filters:
        _put(fields, path.split("."), types)
    if generations:
        _put(fields, ["generation"], [{"type": "number"}])
    for path in searched:
        _put(fields, path.split("."), [{"type": "string"}])
    return {"mappings": {"dynamic": False, "fields": fields}}


def _put(fields: dict[str, Any], path: Sequence[str], types: Sequence[Mapping[str, Any]]) -> None:
    """Add `types` at `path`; each field is a list of the types that it is indexed as."""
    ways = fields.setdefault(path[0], [])
    if len(path) == 1:
        ways += types
        return
    documents = [way for way in ways if way["type"] == "document"]
    if not documents:
        documents = [{"type": "document", "dynamic": False, "fields": {}}]
        ways += documents
    _put(documents[0]["fields"], path[1:], types)
