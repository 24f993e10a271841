"""Chunks as a search handles them, however they are stored.

In a collection of chunks they are the stored documents. A document with its vector in place becomes
a chunk here: `_id` and `document` are its id as text, `position` is 0, `metadata` holds all fields
but the text and those of leafsearch. `key` is its own `_id`. So does a document whose text MongoDB
embeds itself, in which no field is ours.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from leafsearch.vectors import Manifest, join_texts, take_values
from leafsearch.vectors.store import MARK, id_to_text, ids_from_text, projection, uppermost_paths

_WHOLE = "stored"  # holds the document, so that its fields collide with none of ours
_OF_EVERY_CHUNK = ("document", "position")


def fetch_stages(
    manifest: Manifest, fields: Sequence[str], score: str | None
) -> list[dict[str, Any]]:
    """Stages that fetch fields of chunks, and as `score` the server's score of that name."""
    if manifest.layout == "chunks":
        if score:
            return [projection(fields, score)]
        return [{"$project": dict.fromkeys(uppermost_paths(fields), 1)}]
    carried: dict[str, Any] = {_WHOLE: "$$ROOT"}
    if score:
        carried["score"] = {"$meta": score}
    return [{"$project": carried}, *_chosen(manifest, fields)]


def chunk_of(manifest: Manifest, found: Mapping[str, Any]) -> dict[str, Any]:
    if manifest.layout == "chunks":
        return dict(found)
    stored = dict(found.get(_WHOLE, {}))
    stored.pop("_id", None)
    id = id_to_text(found["_id"]) or repr(found["_id"])
    chunk = {"_id": id, "key": found["_id"], "document": id, "position": 0}
    if "score" in found:
        chunk["score"] = found["score"]
    if manifest.layout == "in_place":
        for path in manifest.vector_paths:
            if (vector := stored.pop(path, None)) is not None:
                chunk[path] = vector
        stored.pop(MARK, None)
    title = _at(stored, manifest.title_field)
    texts = [value for path in manifest.text_fields for value in take_values(stored, path)]
    chunk["text"] = join_texts(text for text in texts if isinstance(text, str))
    chunk["metadata"] = {"title": title, **stored} if isinstance(title, str) else stored
    return chunk


def key_of(chunk: Mapping[str, Any]) -> Any:
    """The `_id` that it is stored under."""
    return chunk["key"] if "key" in chunk else chunk["_id"]


def match_documents(manifest: Manifest, spans: Sequence[tuple[str, int, int]]) -> dict[str, Any]:
    """A query for chunks `first` to `last` of documents, from (document, first, last)."""
    if manifest.layout == "chunks":
        either = [{"document": d, "position": {"$gte": a, "$lte": b}} for d, a, b in spans]
        return {**manifest.chosen, "$or": either}
    return {"_id": {"$in": [id for document, _, _ in spans for id in ids_from_text(document)]}}


def _chosen(manifest: Manifest, fields: Sequence[str]) -> list[dict[str, Any]]:
    title = f"{_WHOLE}.{manifest.title_field}"
    texts = [f"{_WHOLE}.{path}" for path in manifest.text_fields]
    if "metadata" in fields:
        ours = (*manifest.vector_paths, MARK) if manifest.layout == "in_place" else ()
        left_out = [f"{_WHOLE}.{name}" for name in ours if name not in fields]
        unwanted = [] if "text" in fields else [path for path in texts if path != title]
        unset = uppermost_paths([*left_out, *unwanted])
        return [{"$unset": unset}] if unset else []
    kept = ["score"]
    for field in fields:
        if field == "text":
            kept += texts
        elif field == "metadata.title":
            kept.append(title)
        elif field not in _OF_EVERY_CHUNK:
            kept.append(f"{_WHOLE}.{field.removeprefix('metadata.')}")
    return [{"$project": dict.fromkeys(uppermost_paths(kept), 1)}]


def _at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document.get(name) if isinstance(document, Mapping) else None
    return document
