"""From a collection's name to all that a search must know, read from its manifest."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from config import Settings
from search.errors import NoHits
from search.steps import Aggregate, Compute, Steps
from vectors import Encoder, Manifest, ManifestError, ModelError, load_student
from vectors.agreement import demand_agreement
from vectors.alignment import demand_probe
from vectors.index_spec import IndexSpec
from vectors.manifest import MANIFESTS, from_document, no_manifest

_TRUSTED_SECONDS = 60.0


@dataclass
class Opened:
    """`documents` is about how many; `seen` when that and the manifest were last read.

    `fuses` until the server is found not to know $rankFusion.
    """

    database: str
    collection: str
    manifest: Manifest
    student: Encoder
    documents: int
    seen: float
    fuses: bool = True

    @property
    def full_name(self) -> str:
        return f"{self.database}.{self.collection}"


def opening(settings: Settings) -> Steps[Opened]:
    """Raises ManifestError, ModelError, or the SearchIndexError that says what is wrong."""
    name = settings.collection
    manifest = yield from _manifest(settings.database, name)
    demand_agreement(manifest, settings, None)
    yield from demand_index(manifest, settings.database, name)
    model = manifest.student
    key = settings.key
    student = yield Compute(lambda: load_student(model.name, revision=model.revision, key=key))
    if student.dimensions < manifest.dimensions:
        raise ModelError(
            f"student {student.name} gives {student.dimensions} dimensions, but the collection "
            f"needs {manifest.dimensions}; ingest again with a student of this teacher"
        )
    if manifest.probe is not None:
        probe = manifest.probe
        yield Compute(lambda: demand_probe(student, probe))
    documents = yield from _count(name)
    return Opened(settings.database, name, manifest, student, documents, time.monotonic())


def refreshing(opened: Opened) -> Steps[None]:
    """Once a minute: a collection that was made anew must not be asked with the old model."""
    if time.monotonic() - opened.seen > _TRUSTED_SECONDS:
        yield from refresh(opened)


def demand_index(manifest: Manifest, database: str, collection: str) -> Steps[None]:
    """The server answers a search on a missing index with nothing, and no error."""
    listed = yield Aggregate(collection, [{"$listSearchIndexes": {}}])
    specs = [IndexSpec.of_vectors(manifest, f"{database}.{collection}")]
    if manifest.hybrid:
        specs.append(IndexSpec.of_text(manifest, f"{database}.{collection}"))
    for spec in specs:
        spec.judge(listed)


def explaining_emptiness(opened: Opened, filter: Mapping[str, Any] | None) -> Steps[None]:
    """Raises the error that a search without hits hides; returns if there is none."""
    yield from refresh(opened)
    manifest = opened.manifest
    yield from demand_index(manifest, opened.database, opened.collection)
    if filter or not opened.documents:
        return
    raise NoHits(
        f"search index {manifest.index!r} is there and finds nothing, although {opened.full_name} "
        f"holds {opened.documents} documents: it may lag behind the last write, so try again in a "
        f"moment; or the stored vectors are not {manifest.dimensions} x {manifest.precision}, "
        "which the server skips: `leaf-search doctor` tells"
    )


def refresh(opened: Opened) -> Steps[None]:
    """Raises ManifestError if the collection is not what was opened."""
    manifest = yield from _manifest(opened.database, opened.collection)
    known = opened.manifest
    if any(
        getattr(manifest, f) != getattr(known, f) for f in ("student", "codec", "path", "layout")
    ):
        raise ManifestError(
            f"collection {opened.full_name} was made anew with other models or another storage "
            "since it was opened; open it again"
        )
    opened.manifest = manifest
    opened.documents = yield from _count(opened.collection)
    opened.seen = time.monotonic()


def _manifest(database: str, collection: str) -> Steps[Manifest]:
    found = yield Aggregate(MANIFESTS, [{"$match": {"_id": collection}}])
    if found:
        return from_document(found[0], collection)
    others = yield Aggregate(MANIFESTS, [{"$project": {"_id": 1}}])
    raise no_manifest(f"{database}.{collection}", [str(other["_id"]) for other in others])


def _count(collection: str) -> Steps[int]:
    counted = yield Aggregate(collection, [{"$collStats": {"count": {}}}])
    return sum(part["count"] for part in counted)  # a part for each shard
