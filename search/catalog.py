"""The collections that a search can name: models, stored format, counts, generations."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from leafsearch.vectors import ManifestError, collection_of, explain_errors
from leafsearch.vectors.store import MANIFESTS, Generations, parse_generations


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    """A collection with a manifest. `problem` says why it cannot be searched; None if it can.

    `count`: chunks of the active generation, or documents where vectors lie in place.
    `generation`: the number that searches use; `other`: one that is being built or kept, or None.
    `beside`: the precision of second vectors, which rescore the first. `transform`: what vectors go
    through before they are cut: none or pca. `vector_bytes`: bytes of a chunk's stored vectors.
    """

    collection: str
    problem: str | None = None
    teacher: str = ""
    student: str = ""
    layout: str = ""
    dimensions: int = 0
    precision: str = ""
    beside: str | None = None
    transform: str = "none"
    quantization: str = ""
    vector_bytes: int = 0
    hybrid: bool = False
    text_analyzer: str | None = None  # None: lucene.standard, or no words
    filters: tuple[str, ...] = ()
    count: int = 0
    generation: int = 0
    other: int | None = None
    other_is: str | None = None


def list_collections(database: Database[Any]) -> Iterator[CatalogEntry]:
    """By name. Raises DeploymentError where MongoDB does not answer."""
    with explain_errors():
        there = set(database.list_collection_names())
        documents = list(database[MANIFESTS].find().sort("_id"))
    for document in documents:
        with explain_errors():
            yield _entry(database, document, there)


def _entry(database: Database[Any], document: Mapping[str, Any], there: set[str]) -> CatalogEntry:
    name = str(document["_id"])
    try:
        generations = parse_generations(document, name)
    except ManifestError as error:
        return CatalogEntry(collection=name, problem=str(error))
    if name not in there:
        problem = f"collection {name} was dropped; its manifest is left over"
        return _describe(name, generations, count=0, problem=problem)
    count = collection_of(database[name], generations.active).count()
    return _describe(name, generations, count=count, problem=None)


def _describe(
    name: str, generations: Generations, *, count: int, problem: str | None
) -> CatalogEntry:
    manifest, other = generations.active, generations.other
    state = "being built" if generations.next else "kept for a rollback"
    return CatalogEntry(
        collection=name,
        problem=problem,
        teacher=manifest.teacher.name,
        student=manifest.student.name,
        layout=manifest.layout,
        dimensions=manifest.dimensions,
        precision=manifest.precision,
        beside=manifest.beside,
        transform=manifest.transform.kind if manifest.transform else "none",
        quantization=manifest.quantization,
        vector_bytes=manifest.codec.form.bytes,
        hybrid=manifest.hybrid,
        text_analyzer=manifest.tuning.text_analyzer,
        filters=manifest.filters,
        count=count,
        generation=manifest.generation,
        other=other.generation if other else None,
        other_is=state if other else None,
    )
