"""Index definitions and pipeline stages as the server takes them; pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

from bson.binary import Binary

from leafsearch.config.analyzers import STANDARD
from leafsearch.config.storage import UNTUNED, IndexTuning, Quantization, Similarity


def index_definition(
    *,
    path: str,
    dimensions: int,
    similarity: Similarity,
    quantization: Quantization,
    filters: Sequence[str],
    tuning: IndexTuning = UNTUNED,
    stored_source: Mapping[str, Any] | bool | None = None,
) -> dict[str, Any]:
    """What is not chosen is left out: the server has its defaults, and an older one other keys."""
    vector: dict[str, Any] = {
        "type": "vector",
        "path": path,
        "numDimensions": dimensions,
        "similarity": similarity,
    }
    if quantization != "none":
        vector["quantization"] = quantization
    if tuning.indexing_method is not None:
        vector["indexingMethod"] = tuning.indexing_method
    graph = {"maxEdges": tuning.hnsw_max_edges, "numEdgeCandidates": tuning.hnsw_candidates}
    if chosen := {name: value for name, value in graph.items() if value is not None}:
        vector["hnswOptions"] = chosen
    definition = {"fields": [vector, *({"type": "filter", "path": f} for f in filters)]}
    return definition if stored_source is None else {**definition, "storedSource": stored_source}


def is_same_index(
    wanted: Mapping[str, Any], latest: Mapping[str, Any], *, tuned: bool = True
) -> bool:
    """Whether the server's `latestDefinition` has all that was `wanted`.

    Servers add defaults and may reorder, so only the fields that we set are compared. `tuned`:
    compare also how the index is built, by which searches find the same.
    """
    if "mappings" in wanted:
        fields = latest.get("mappings", {}).get("fields", {})
        same = _within(wanted["mappings"]["fields"], fields)
    else:
        same = _essence(wanted) == _essence(latest)
    return same and not (tuned and tuning_differences(wanted, latest))


_DEFAULT_TUNING = {
    "indexingMethod": "hnsw",
    "maxEdges": 16,
    "numEdgeCandidates": 100,
    "storedSource": "nothing",
    "analyzer": STANDARD,
}


def tuning_differences(
    wanted: Mapping[str, Any], latest: Mapping[str, Any]
) -> dict[str, tuple[object, object]]:
    """Where the server builds the index otherwise than `wanted` chooses: what was chosen, and
    what is there."""
    there = {**_DEFAULT_TUNING, **_tuning(latest)}
    return {n: (v, there[n]) for n, v in _tuning(wanted).items() if there[n] != v}


def _tuning(definition: Mapping[str, Any]) -> dict[str, object]:
    found: dict[str, object] = {}
    for field in definition.get("fields", ()):
        if field.get("type") == "vector":
            given = {**field, **(field.get("hnswOptions") or {})}
            found |= {n: given[n] for n in _DEFAULT_TUNING if given.get(n) is not None}
    if definition.get("analyzer") is not None:
        found["analyzer"] = definition["analyzer"]
    if "storedSource" in definition:
        found["storedSource"] = _kept(definition["storedSource"])
    return found


def _kept(source: Any) -> str:
    if not isinstance(source, Mapping):
        return "nothing"
    return "; ".join(f"{way} {', '.join(sorted(paths))}" for way, paths in source.items())


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
    query: Binary | str,
    *,
    index: str,
    path: str,
    limit: int,
    num_candidates: int | None,
    filter: Mapping[str, Any] | None = None,
    from_index: bool = False,
) -> dict[str, Any]:
    """A `$vectorSearch` stage; exact search if `num_candidates` is None.

    `query`: a vector, or a text for an index that embeds by itself.
    `from_index` returns what the index has stored of the documents, which are not looked up.
    """
    asked = "query" if isinstance(query, str) else "queryVector"
    stage: dict[str, Any] = {"index": index, "path": path, asked: query, "limit": limit}
    if num_candidates is None:
        stage["exact"] = True
    else:
        stage["numCandidates"] = num_candidates
    if filter:
        stage["filter"] = dict(filter)
    if from_index:
        stage["returnStoredSource"] = True
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
    filters: Sequence[str],
    searched: Sequence[str],
    *,
    generations: bool,
    analyzer: str | None = None,
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
    definition: dict[str, Any] = {"mappings": {"dynamic": False, "fields": fields}}
    return definition if analyzer is None else {"analyzer": analyzer, **definition}


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
