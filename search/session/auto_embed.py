"""Collections that MongoDB embeds itself: an index of type autoEmbed takes the question as text.

They have no manifest, so that one is made up from the index, for this process alone. Its documents
are somebody else's, each one hit, as documents with vectors in place are.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from leafsearch.config.storage import Similarity
from leafsearch.config.text import quote
from leafsearch.vectors import (
    IndexFailed,
    IndexMissing,
    IndexNotReady,
    Manifest,
    ManifestError,
    ModelRecord,
    SearchIndexError,
)

Listed = Mapping[str, Any]
EMBEDDED_TYPES = ("autoEmbed", "text")  # the second is its name in the first preview
# Bits that the server does not rescore: their score is a share, as that of a cosine.
_IN_SHARES = "binaryNoRescore"
_NO_CHUNKS = 0


def embedding_manifest(listed: Iterable[Listed], collection: str) -> Manifest | None:
    """What the only autoEmbed index says; None without one.

    Raises SearchIndexError for several, or one that does not answer.
    """
    found = list(_embedded(listed))
    if not found:
        return None
    if len(found) > 1:
        names = ", ".join(f"{index['name']} on {field['path']}" for index, field in found)
        raise SearchIndexError(
            f"collection {collection} has several autoEmbed fields ({names}); expected one, since "
            "none of them is chosen here. Drop the others, or ask with $vectorSearch yourself"
        )
    ((index, field),) = found
    _require_answers(index, collection)
    return _manifest(index, field)


def look_again(known: Manifest, listed: Iterable[Listed], collection: str) -> Manifest:
    """What the index says now; it may have other filters.

    Raises SearchIndexError if it is gone or does not answer, ManifestError if there is another.
    """
    now = embedding_manifest(listed, collection)
    if now is None:
        raise IndexMissing(
            f"collection {collection} no longer has the autoEmbed index {quote(known.index)}; "
            "create it again"
        )
    if (now.index, now.path) != (known.index, known.path):
        raise ManifestError(
            f"collection {collection} has another autoEmbed index, {quote(now.index)} on "
            f"{quote(now.path)}, than when it was opened. Call reopen()"
        )
    return now


def similarity_of(score: float, similarity: Similarity) -> float:
    """The cosine behind a score of vectors of length 1."""
    if similarity == "euclidean":  # the score is 1 / (1 + d^2), and d^2 = 2 - 2 cos
        return 1 - (1 / score - 1) / 2
    return 2 * score - 1


def _embedded(listed: Iterable[Listed]) -> Iterator[tuple[Listed, Mapping[str, Any]]]:
    for index in listed:
        fields = index.get("latestDefinition", {}).get("fields", ())
        for field in fields if isinstance(fields, list) else ():
            if isinstance(field, Mapping) and field.get("type") in EMBEDDED_TYPES:
                yield index, field


def _require_answers(index: Listed, collection: str) -> None:
    shown = f"autoEmbed index {quote(index['name'])} of {collection}"
    if index.get("queryable"):
        return
    if index.get("status") == "FAILED":
        raise IndexFailed(f"{shown} FAILED; drop it and create it again, and see its page on Atlas")
    raise IndexNotReady(
        f"{shown} is {index.get('status')}; expected READY. MongoDB embeds the texts first: try "
        "again later"
    )


def _manifest(index: Listed, field: Mapping[str, Any]) -> Manifest:
    fields = index["latestDefinition"]["fields"]
    quantization = str(field.get("quantization", "float"))
    in_bits = quantization in ("binary", _IN_SHARES)
    usual = "euclidean" if quantization == "binary" else "dotProduct"
    model = ModelRecord(
        str(field.get("model", "")), "", int(field.get("numDimensions") or 0), "", ""
    )
    return Manifest(
        teacher=model,
        student=model,
        alignment=1.0,
        dimensions=model.dimensions,
        precision="float32",
        scale=None,
        similarity="cosine" if quantization == _IN_SHARES else field.get("similarity", usual),
        quantization="binary" if in_bits else "none",
        index=str(index["name"]),
        path=str(field["path"]),
        filters=tuple(str(f["path"]) for f in fields if f.get("type") == "filter"),
        chunk_tokens=_NO_CHUNKS,
        chunk_overlap=_NO_CHUNKS,
        layout="auto_embedded",
        text_field=str(field["path"]),
        title_field="title",
    )
