"""What made the vectors of a collection, kept beside them and compared at every open.

One document per collection in `leaf_manifests` of the same database. It is written before the
first vectors and never silently changed: whoever writes first decides, everybody else must agree.
What searches ask stands at its top; other generations of vectors below, see vectors.generations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from bson.binary import Binary
from pymongo import ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from config.storage import Precision, Quantization, Similarity
from config.text import quote, shorten
from vectors.codec import Codec
from vectors.encoder import Encoder
from vectors.errors import ManifestError

MANIFESTS = "leaf_manifests"
PATH = "embedding"
FORMAT = 1
_MAY_DIFFER = ("alignment", "probe", "scale", "filters", "hybrid")  # measured, or added to
_PLACES = ("next.", "", "previous.")  # of a generation in the document, in the order of its life
# Passages in a collection of their own, or a vector inside each document of somebody else's.
Layout = Literal["chunks", "in_place"]
_SHOWN_NAMES, _SHOWN_LENGTH = 20, 60


@dataclass(frozen=True)
class Model:
    name: str
    revision: str
    dimensions: int  # of the whole vector, before any truncation
    query_prompt: str
    document_prompt: str

    @classmethod
    def of(cls, encoder: Encoder) -> "Model":
        return cls(
            encoder.name,
            encoder.revision,
            encoder.dimensions,
            encoder.query_prompt,
            encoder.document_prompt,
        )


@dataclass(frozen=True, kw_only=True)
class Manifest:
    teacher: Model
    student: Model
    alignment: float  # mean cosine of student against teacher on probe texts
    dimensions: int
    precision: Precision
    scale: float | None  # of int8, see Codec
    similarity: Similarity
    quantization: Quantization
    index: str
    path: str  # of the vector in a stored document
    filters: tuple[str, ...]
    chunk_tokens: int
    chunk_overlap: int
    heading_trail: bool = False  # whether what is encoded begins with the headings above it
    hybrid: bool = False  # whether there is a text index as well
    probe: Binary | None = None  # of the student, see alignment.demand_probe
    layout: Layout = "chunks"
    text_field: str = "text"  # paths in a stored document
    title_field: str = "metadata.title"
    generation: int = 1  # of vectors, which may lie beside others of the same collection

    @property
    def codec(self) -> Codec:
        return Codec(self.dimensions, self.precision, self.scale)

    def stored_id(self, chunk: str) -> str:
        """The `_id` of a chunk, of which each generation has its own."""
        return chunk if self.generation == 1 else f"{chunk}@{self.generation}"

    @property
    def chosen(self) -> dict[str, Any]:
        """Fields that every stored chunk of this generation has; the first is not marked."""
        return {"generation": None if self.generation == 1 else self.generation}


def find_manifest(database: Database[Any], collection: str) -> Manifest | None:
    document = database[MANIFESTS].find_one({"_id": collection})
    return None if document is None else from_document(document, collection)


def read_manifest(database: Database[Any], collection: str) -> Manifest:
    """Raises ManifestError when there is none, naming the collections that have one."""
    manifest = find_manifest(database, collection)
    if manifest is not None:
        return manifest
    others = [str(d["_id"]) for d in database[MANIFESTS].find({}, {"_id": 1})]
    raise no_manifest(f"{database.name}.{collection}", others)


def no_manifest(collection: str, others: Sequence[str]) -> ManifestError:
    """`others`: the names of all collections that have one."""
    there = f"collections with one: {_listed(others)}" if others else "nor has any other"
    return ManifestError(
        f"collection {collection} has no manifest, so nothing was ingested into it "
        f"({there}); ingest first with `leaf-ingest PATH`, or name another --collection"
    )


def write_manifest(database: Database[Any], collection: str, manifest: Manifest) -> Manifest:
    """The manifest now in force: `manifest`, or the like one that another writer put there.

    A concurrent writer's int8 scale is adopted, since both were measured on some first batch, and
    what either wants indexed is indexed. Raises ManifestError if the one in force differs.
    """
    try:
        database[MANIFESTS].insert_one({"_id": collection, **to_document(manifest)})
    except DuplicateKeyError:
        demand_equal(read_manifest(database, collection), manifest, collection)
        filters, hybrid = manifest.filters, manifest.hybrid
        return amend(database, collection, manifest.generation, filters=filters, hybrid=hybrid)
    return manifest


def amend(
    database: Database[Any],
    collection: str,
    generation: int = 1,
    *,
    filters: Sequence[str],
    hybrid: bool,
) -> Manifest:
    """Add what may be added, because the vectors do not depend on it: what else is indexed.

    In one step of the server's, so that of several writers at once none undoes another's.
    """
    for place in _PLACES:
        added: dict[str, Any] = {"$addToSet": {f"{place}filters": {"$each": list(filters)}}}
        if hybrid:
            added["$set"] = {f"{place}hybrid": True}
        asked = {"_id": collection, **at_place(place, generation)}
        after = ReturnDocument.AFTER
        found = database[MANIFESTS].find_one_and_update(asked, added, return_document=after)
        if found is not None:
            return from_document(found[place[:-1]] if place else found, collection)
    raise ManifestError(
        f"the manifest of {collection} (generation {generation}) was deleted meanwhile; ingest "
        "again"
    )


def at_place(place: str, generation: int) -> dict[str, Any]:
    """Matches where this generation stands; at the top the first may be without its number."""
    if not place and generation == 1:
        return {"generation": {"$in": [1, None]}}
    return {f"{place}generation": generation}


def delete_manifest(database: Database[Any], collection: str) -> None:
    database[MANIFESTS].delete_one({"_id": collection})


def demand_equal(stored: Manifest, wanted: Manifest, collection: str) -> None:
    """Raises ManifestError that shows both sides of every difference that matters to vectors."""
    names = [f.name for f in fields(Manifest) if f.name not in _MAY_DIFFER]
    wished = {name: getattr(wanted, name) for name in names}
    demand(stored, wished, collection, dict.fromkeys(names, "another ingest made it meanwhile"))


def demand(
    stored: Manifest,
    wanted: Mapping[str, object],
    collection: str,
    asked_by: Mapping[str, str],
    *,
    otherwise: str = "name a new --collection; `leaf-ingest PATH --rebuild` builds it anew beside "
    "what is there",
) -> None:
    """The same for some of its fields, each with what asks for it, to be left out by the user.

    A model may be wanted by its name alone. `otherwise` says what else the user can do.
    """
    differing = {n: v for n, v in wanted.items() if _named(getattr(stored, n), v) != v}
    if differing:
        shown = "; ".join(
            f"{name} is {_shown(_named(getattr(stored, name), asked))} there, {_shown(asked)} "
            "was asked"
            for name, asked in differing.items()
        )
        askers = "; ".join(dict.fromkeys(asked_by[name] for name in differing))
        raise ManifestError(
            f"collection {collection} was made otherwise: {shown}. Leave out what asks for that "
            f"({askers}) to go on as it is, or {otherwise}"
        )


def _named(stored: object, asked: object) -> object:
    return stored.name if isinstance(stored, Model) and isinstance(asked, str) else stored


def _listed(names: Sequence[str]) -> str:
    """The first of them, none over-long, and how many more there are."""
    short = [n if len(n) <= _SHOWN_LENGTH else f"{n[:_SHOWN_LENGTH]}..." for n in sorted(names)]
    more = f" and {len(short) - _SHOWN_NAMES} more" if len(short) > _SHOWN_NAMES else ""
    return ", ".join(short[:_SHOWN_NAMES]) + more


def _shown(value: object) -> str:
    if isinstance(value, Model):
        return f"{shorten(value.name, 200)} at {shorten(value.revision, 80)}"
    return shorten(str(value), 200)


def to_document(manifest: Manifest) -> dict[str, Any]:
    document = asdict(manifest)
    return {"format": FORMAT, **document, "filters": list(manifest.filters)}


def from_document(document: Mapping[str, Any], collection: str) -> Manifest:
    if document.get("format") != FORMAT:
        raise ManifestError(
            f"the manifest of {collection} has format {quote(document.get('format'))}; this "
            f"version reads {FORMAT}: use the leafsearch version that wrote it, or ingest again "
            "elsewhere"
        )
    known = {f.name: document[f.name] for f in fields(Manifest) if f.name in document}
    try:
        return Manifest(
            **{
                **known,
                "teacher": Model(**known["teacher"]),
                "student": Model(**known["student"]),
                "filters": tuple(known["filters"]),
            }
        )
    except (KeyError, TypeError) as error:
        raise ManifestError(
            f"the manifest of {collection} is damaged ({error}); restore the document of that _id "
            f"in {MANIFESTS}, or ingest again into a new --collection"
        ) from error
