"""A temporary collection for one measurement: written as ingest writes, dropped at the end."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from leafsearch.config import Storage
from leafsearch.config.storage import quantizes_int8
from leafsearch.evaluation.formats import FITTED_ON, TransformKind
from leafsearch.vectors import Codec, Collection, Manifest, Rows, explain_errors
from leafsearch.vectors.store import (
    ModelRecord,
    delete_manifest,
    fit_transform,
    replace_manifest,
    require_int8_quantized,
)

PREFIX = "leaf_eval_"
INDEX, PATH = "leaf_vectors", "embedding"
_BATCH = 512
_SCALED_ON = 512  # first rows, as in ingest
_WAIT_SECONDS = 600.0

Chunks = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Sizes:
    """Average bytes per document; `index` is None if the server does not report it."""

    vector: int
    document: float
    index: float | None


@contextmanager
def trial_collection(
    database: Database[Any],
    storage: Storage,
    chunks: Chunks,
    rows: Rows,
    *,
    transform: TransformKind = "none",
) -> Iterator[Collection]:
    """A collection of `chunks` with their `rows`, ready for search; dropped afterwards.

    Raises CodecError for a row that has nothing in the dimensions that are kept, and IndexSkips if
    the server leaves such vectors out.
    """
    if quantizes_int8(storage.precision, storage.quantization):
        require_int8_quantized(database, seconds=_WAIT_SECONDS)
    manifest = _manifest(storage, rows, transform)
    name = PREFIX + secrets.token_hex(4)
    try:
        with explain_errors():
            # Without the matrix of a transform, which this process has and no other needs.
            replace_manifest(database, name, manifest)
        collection = Collection(database[name], manifest)
        for start in range(0, len(chunks), _BATCH):
            some = slice(start, start + _BATCH)
            collection.write(chunks[some], manifest.vectors_of(rows[some]))
        collection.create()  # after the vectors, so that the index has no room to spare
        collection.wait_until_ready(
            chunks[-1]["_id"], seconds=_WAIT_SECONDS, on_status=lambda status: None
        )
        yield collection
    finally:
        with explain_errors():
            database.drop_collection(name)
            delete_manifest(database, name)


def measure_sizes(collection: Collection) -> Sizes:
    with explain_errors():
        counted = list(collection.mongo.aggregate([{"$collStats": {"storageStats": {}}}]))
        listed = list(collection.mongo.list_search_indexes(collection.manifest.index))
    documents = sum(part["storageStats"]["count"] for part in counted)
    written = sum(part["storageStats"]["size"] for part in counted)
    memory = _memory(listed[0])
    return Sizes(
        vector=collection.manifest.codec.form.bytes,
        document=round(written / documents, 1),
        index=None if memory is None else round(memory / collection.count(), 1),
    )


def _memory(listed: Mapping[str, Any]) -> int | None:
    """Memory that leaf-mongo reports of its indexes; other servers do not."""
    for host in listed.get("statusDetail", ()):
        if (memory := host.get("mainIndex", {}).get("memoryBytes")) is not None:
            return int(memory)
    return None


def _manifest(storage: Storage, rows: Rows, kind: TransformKind) -> Manifest:
    """Names no model, since rows are given."""
    dimensions = storage.dimensions or rows.shape[1]
    unused = ModelRecord("leaf-search eval", "-", rows.shape[1], "", "")
    transform = fit_transform(rows[:FITTED_ON], dimensions) if kind == "pca" else None
    first = rows[: FITTED_ON if transform else _SCALED_ON]
    return Manifest(
        teacher=unused,
        student=unused,
        alignment=1.0,
        dimensions=dimensions,
        precision=storage.precision,
        scale=Codec.calibrate(
            dimensions, storage.precision, first, transform, storage.beside
        ).scale,
        transform=transform,
        beside=storage.beside,
        similarity=storage.similarity,
        quantization=storage.quantization,
        index=INDEX,
        path=PATH,
        filters=("document",),
        chunk_tokens=0,
        chunk_overlap=0,
    )
