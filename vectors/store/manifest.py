"""The manifest: what made the vectors of a collection, stored beside them, compared at every open.

One document per collection in `leaf_manifests` of the same database. It is written before the first
vectors and never silently changed: the first writer decides, all others must agree. The active
generation is at its top, other generations are below; see store.generations.

Format 2 (format 1, of version 0.1, will always be read):

    format: 2
    teacher: {name, revision, dimensions, query_prompt, document_prompt}
    students: {NAME: {the fields of a model, alignment, probe, candidates}}
    default_student: NAME
    transform: null, or {kind, dimensions, columns, checksum, sample, kept}; see forms.transform
    encode_precision: float32 | bfloat16 | float16 | null (remote, or not recorded)
    and the fields of Manifest under their own names
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from bson.binary import Binary
from pymongo import ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from leafsearch.config import Settings
from leafsearch.config.hint import ingest_hint, rebuild_hint
from leafsearch.config.presets import current_name
from leafsearch.config.storage import UNTUNED, IndexTuning, Precision, Quantization, Similarity
from leafsearch.config.text import quote, shorten
from leafsearch.vectors.encoders.base import Encoder, Rows
from leafsearch.vectors.errors import ManifestError
from leafsearch.vectors.forms.codec import Codec
from leafsearch.vectors.forms.transform import KINDS, Transform, parse_transform
from leafsearch.vectors.store.matrices import hold_matrix, read_transforms, write_transform

MANIFESTS = "leaf_manifests"
VECTOR_PATH = "embedding"
MARK = "leaf"  # the field of a document with its vector in place that is ours
FORMAT = 2
_READ = (1, 2)
# Measured on some first texts, or extensible.
_MAY_DIFFER = ("alignment", "probe", "scale", "transform", "filters", "hybrid", "tuning")
_PLACES = ("next.", "", "previous.")  # where a generation is in the document, in order of its life
# Chunks in a collection of their own, or a vector inside each of the user's documents. A manifest
# of texts in the user's documents that MongoDB embeds itself is never stored.
Layout = Literal["chunks", "in_place", "auto_embedded"]
StoredVectors = Mapping[str, Binary]  # by path
_DEFAULT = "default"  # the student that a search uses unless it names another
# Fields of the document beside those of Manifest: of the whole document, and grouped by format 2.
_OF_DOCUMENT = {"_id", "format", "next", "previous", "newest"}
_OF_STUDENT = {"student", "alignment", "probe"}
_GROUPED = {"students", "default_student"}
_OF_GRAPH = ("hnsw_max_edges", "hnsw_candidates")
_SHOWN_NAMES, _SHOWN_LENGTH = 20, 60


@dataclass(frozen=True)
class ModelRecord:
    name: str
    revision: str
    dimensions: int  # of the whole vector, before truncation
    query_prompt: str
    document_prompt: str

    @classmethod
    def of(cls, encoder: Encoder) -> "ModelRecord":
        return cls(
            encoder.name,
            encoder.revision,
            encoder.dimensions,
            encoder.query_prompt,
            encoder.document_prompt,
        )


@dataclass(frozen=True, kw_only=True)
class Manifest:
    teacher: ModelRecord
    student: ModelRecord
    alignment: float  # mean cosine of student against teacher on probe texts
    dimensions: int
    precision: Precision
    scale: float | None  # of int8, see Codec
    transform: Transform | None = None  # before truncation
    beside: Precision | None = None  # of a second vector, not indexed, that rescores the first
    similarity: Similarity
    quantization: Quantization
    tuning: IndexTuning = UNTUNED
    index: str
    path: str  # of the vector in a stored document
    filters: tuple[str, ...]
    chunk_tokens: int
    chunk_overlap: int
    heading_trail: bool = False  # whether encoded texts begin with the headings above them
    hybrid: bool = False  # whether there is a text index as well
    probe: Binary | None = None  # of the student, see encoders.require_probe
    layout: Layout = "chunks"
    text_field: str = "text"  # paths in a stored document
    more_text_fields: tuple[str, ...] = ()  # texts of a document in place that follow this one
    title_field: str = "metadata.title"
    encode_precision: str | None = None  # of the teacher; None: not recorded, or remote
    generation: int = 1  # a collection may hold several generations of vectors

    @property
    def text_fields(self) -> tuple[str, ...]:
        return (self.text_field, *self.more_text_fields)

    @property
    def codec(self) -> Codec:
        return Codec(self.dimensions, self.precision, self.scale, self.transform, self.beside)

    @property
    def exact_path(self) -> str:
        """The path of the stored vector that keeps the most, to rescore what the index finds."""
        return f"{self.path}_{self.beside}" if self.beside else self.path

    @property
    def vector_paths(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.path, self.exact_path)))

    def vectors_of(self, rows: Rows) -> list[StoredVectors]:
        """The stored vectors of whole rows, (n, the teacher's dimensions), by their paths.

        Raises CodecError on NaN, infinity or zeros.
        """
        codec, projected = self.codec, self.codec.project(rows)
        columns = [codec.encode(projected)]
        if self.beside:
            columns.append(codec.exact.encode(projected))
        return [
            dict(zip(self.vector_paths, vectors, strict=True))
            for vectors in zip(*columns, strict=True)
        ]

    def is_sound(self, stored: Mapping[str, Any]) -> bool:
        """Whether a stored chunk has all its vectors, of the right header, size and length."""
        exact = self.codec.exact
        return self.codec.is_sound(stored.get(self.path)) and (
            self.beside is None or exact.is_sound(stored.get(self.exact_path))
        )

    def stored_id(self, chunk: str) -> str:
        """The `_id` of a chunk in this generation."""
        return chunk if self.generation == 1 else f"{chunk}@{self.generation}"

    @property
    def chosen(self) -> dict[str, Any]:
        """A filter for the stored chunks of this generation.

        Chunks of the first one carry no number; documents with vectors in place match all.
        """
        if self.layout != "chunks":
            return {}
        return {"generation": None if self.generation == 1 else self.generation}


def find_manifest(database: Database[Any], collection: str) -> Manifest | None:
    document = database[MANIFESTS].find_one({"_id": collection})
    if document is None:
        return None
    manifest = from_document(document, collection)
    read_transforms(database, [manifest.transform], collection)
    return manifest


def read_manifest(database: Database[Any], collection: str) -> Manifest:
    """Raises ManifestError if it is missing, and names the collections that have one."""
    manifest = find_manifest(database, collection)
    if manifest is not None:
        return manifest
    others = [str(d["_id"]) for d in database[MANIFESTS].find({}, {"_id": 1})]
    raise missing_manifest(database.name, collection, others)


def missing_manifest(database: str, collection: str, others: Sequence[str]) -> ManifestError:
    """The error; `others` are the names of all collections with a manifest."""
    there = f"collections with one: {_listed(others)}" if others else "no collection has one"
    ingest = ingest_hint(database=database, collection=collection)
    return ManifestError(
        f"collection {database}.{collection} has no manifest, so nothing was ingested into it "
        f"({there}); ingest first with {ingest}, or name another --collection"
    )


def write_manifest(
    database: Database[Any],
    collection: str,
    manifest: Manifest,
    tuning: IndexTuning = UNTUNED,
) -> Manifest:
    """Write `manifest`; return it, or the equal one that a concurrent writer has put there.

    That writer's transform and int8 scale win, since both were measured on some first batch, and
    filters of both are indexed; of an index that is there only the `tuning` changes that was asked
    for. Raises ManifestError if the manifest there differs.
    """
    if manifest.transform is not None:
        write_transform(database, manifest.transform)
    try:
        database[MANIFESTS].insert_one({"_id": collection, **to_document(manifest)})
        hold_matrix(database, manifest.transform)
    except DuplicateKeyError:
        require_equal(read_manifest(database, collection), manifest, collection)
        filters, hybrid = manifest.filters, manifest.hybrid
        return amend_manifest(
            database,
            collection,
            manifest.generation,
            filters=filters,
            hybrid=hybrid,
            tuning=tuning,
        )
    return manifest


def amend_manifest(
    database: Database[Any],
    collection: str,
    generation: int = 1,
    *,
    filters: Sequence[str],
    hybrid: bool,
    tuning: IndexTuning = UNTUNED,
) -> Manifest:
    """Add filters or the text index to the manifest, or build the index in another way; the
    vectors do not depend on them.

    Atomic, so that concurrent writers do not undo each other's additions.
    """
    for place in _PLACES:
        added: dict[str, Any] = {"$addToSet": {f"{place}filters": {"$each": list(filters)}}}
        changed = {f"{place}tuning.{name}": value for name, value in tuning.chosen.items()}
        if hybrid:
            changed[f"{place}hybrid"] = True
        if changed:
            added["$set"] = changed
        if tuning.is_flat:
            added["$unset"] = {f"{place}tuning.{name}": "" for name in _OF_GRAPH}
        asked = {"_id": collection, **at_place(place, generation)}
        after = ReturnDocument.AFTER
        found = database[MANIFESTS].find_one_and_update(asked, added, return_document=after)
        if found is not None:
            amended = from_document(found[place[:-1]] if place else found, collection)
            read_transforms(database, [amended.transform], collection)
            return amended
    raise ManifestError(
        f"the manifest of {collection} (generation {generation}) was deleted during this run; "
        "ingest again"
    )


def remove_filters(
    database: Database[Any], collection: str, generation: int, filters: Sequence[str]
) -> None:
    """Remove filter paths from this generation; another writer may add them again."""
    for place in _PLACES:
        asked = {"_id": collection, **at_place(place, generation)}
        gone = {"$pullAll": {f"{place}filters": list(filters)}}
        database[MANIFESTS].update_one(asked, gone)


def at_place(place: str, generation: int) -> dict[str, Any]:
    """A filter for this generation at `place`; the first may lack its number at the top."""
    if not place and generation == 1:
        return {"generation": {"$in": [1, None]}}
    return {f"{place}generation": generation}


def delete_manifest(database: Database[Any], collection: str) -> None:
    database[MANIFESTS].delete_one({"_id": collection})


def replace_manifest(database: Database[Any], collection: str, manifest: Manifest) -> None:
    """Replace the manifest atomically."""
    document = {"_id": collection, **to_document(manifest)}
    database[MANIFESTS].replace_one({"_id": collection}, document, upsert=True)


def require_equal(stored: Manifest, wanted: Manifest, collection: str) -> None:
    """Raises ManifestError that shows both sides of each difference that affects vectors."""
    names = [f.name for f in fields(Manifest) if f.name not in _MAY_DIFFER]
    wished = {name: getattr(wanted, name) for name in names}
    require_fields(stored, wished, collection, {})


def require_fields(
    stored: Manifest,
    wanted: Mapping[str, object],
    collection: str,
    asked_by: Mapping[str, str],
    *,
    database: str = "",
    otherwise: str = "",
) -> None:
    """Raises ManifestError if `stored` differs from the `wanted` fields.

    `asked_by` names the option or setting behind each field, which the user may drop; it is empty
    where a concurrent ingest is in conflict. A model may be wanted by its name alone. `otherwise`
    says what else the user can do.
    """
    differing = {n: v for n, v in wanted.items() if _named(getattr(stored, n), v) != v}
    if differing:
        shown = "; ".join(
            f"{name} is {_shown(_named(getattr(stored, name), asked))}, requested {_shown(asked)}"
            for name, asked in differing.items()
        )
        is_in_place = stored.layout == "in_place"
        rebuild = rebuild_hint(
            database=database, collection=collection, in_place=is_in_place, whole=True
        )
        usual = rebuild if is_in_place else f"name a new --collection; {rebuild}"
        advice = otherwise or usual
        if asked_by:
            askers = ", ".join(dict.fromkeys(asked_by[name] for name in differing))
            advice = f"Drop {askers} to keep the collection unchanged, or {advice}"
        else:
            advice = f"Another ingest has just created it: {advice}"
        raise ManifestError(
            f"collection {collection} conflicts with this request: {shown}. {advice}"
        )


def _named(stored: object, asked: object) -> object:
    if isinstance(stored, ModelRecord) and isinstance(asked, str):
        return stored.name
    if isinstance(asked, str) and (stored is None or isinstance(stored, Transform)):
        return stored.kind if stored else "none"
    return stored


def _listed(names: Sequence[str]) -> str:
    """The first names, shortened, and how many more there are."""
    short = [n if len(n) <= _SHOWN_LENGTH else f"{n[:_SHOWN_LENGTH]}..." for n in sorted(names)]
    more = f" and {len(short) - _SHOWN_NAMES} more" if len(short) > _SHOWN_NAMES else ""
    return ", ".join(short[:_SHOWN_NAMES]) + more


def _shown(value: object) -> str:
    if isinstance(value, ModelRecord):
        return f"{shorten(value.name, 200)} at {shorten(value.revision, 80)}"
    return shorten(str(value), 200)


def to_document(manifest: Manifest) -> dict[str, Any]:
    flat = {**asdict(manifest), "filters": list(manifest.filters)}
    # Only where there are some, so that earlier versions read all other manifests.
    if more := list(flat.pop("more_text_fields")):
        flat["more_text_fields"] = more
    if tuning := {name: value for name, value in flat.pop("tuning").items() if value is not None}:
        flat["tuning"] = tuning
    if flat["beside"] is None:
        del flat["beside"]
    measured = {"alignment": flat.pop("alignment"), "probe": flat.pop("probe")}
    student = {**flat.pop("student"), **measured, "candidates": None}
    return {
        "format": FORMAT,
        **flat,
        "students": {_DEFAULT: student},
        "default_student": _DEFAULT,
    }


def from_document(document: Mapping[str, Any], collection: str) -> Manifest:
    """Raises ManifestError for a document that this version cannot read completely."""
    if document.get("format") not in _READ:
        raise ManifestError(
            f"the manifest of {collection} has format {quote(document.get('format'))}; expected "
            f"{' or '.join(map(str, _READ))}. Use the leafsearch version that wrote it, or ingest "
            "into another --collection"
        )
    try:
        flat = dict(document) if document["format"] == 1 else _flat(document, collection)
        known = {f.name: flat[f.name] for f in fields(Manifest) if f.name in flat}
        return Manifest(
            **{
                **known,
                "teacher": _model(known["teacher"]),
                "student": _model(known["student"]),
                "filters": tuple(known["filters"]),
                "transform": parse_transform(known.get("transform")),
                "more_text_fields": tuple(known.get("more_text_fields", ())),
                "tuning": IndexTuning(**(known.get("tuning") or {})),
            }
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ManifestError(
            f"the manifest of {collection} is damaged ({error}); restore the document with that "
            f"_id in {MANIFESTS} from a backup, or ingest into another --collection"
        ) from error


def _model(document: Mapping[str, Any]) -> ModelRecord:
    model = ModelRecord(**document)
    return replace(model, name=current_name(model.name))


def _flat(document: Mapping[str, Any], collection: str) -> dict[str, Any]:
    """A document of format 2 with the default student's fields under the names of Manifest."""
    names = {f.name for f in fields(Manifest)} - _OF_STUDENT
    unknown = set(document) - names - _GROUPED - _OF_DOCUMENT
    if (document["transform"] or {}).get("kind") not in (None, *KINDS):
        unknown.add("transform")
    if unknown:
        raise ManifestError(
            f"the manifest of {collection} was written by a newer version of leafsearch (unknown "
            f"fields: {', '.join(sorted(unknown))}); install that version to use it"
        )
    student = dict(document["students"][document["default_student"]])
    student.pop("candidates", None)
    own = {name: student.pop(name) for name in ("alignment", "probe")}
    return {**document, **own, "student": student}


STORED_FORM = ("dimensions", "precision", "quantization", "beside")


def require_agreement(
    manifest: Manifest, settings: Settings, form: Mapping[str, object] | None = None
) -> None:
    """Raises ManifestError if an explicit setting contradicts the manifest.

    Defaults do not count: the manifest of an existing collection overrides them. `form` holds the
    parts of the stored form that an option of their own sets.
    """
    given = settings.model_fields_set
    wanted: dict[str, object] = {}
    askers: dict[str, str] = {}
    for side in ("teacher", "student"):
        if given & {"preset", side}:
            wanted[side] = getattr(settings.pair, side)
            askers[side] = settings.model_asker(side)
    if "storage" in given:
        named = settings.stored_as()
        wanted["dimensions"] = named.dimensions or manifest.teacher.dimensions
        wanted |= {"precision": named.precision, "quantization": named.quantization}
        wanted["beside"] = named.beside
        askers |= dict.fromkeys(STORED_FORM, settings.asker("storage"))
    wanted |= form or {}
    askers |= {part: f"--{part}" for part in form or {}}
    require_fields(manifest, wanted, settings.collection, askers, database=settings.database)


def require_precision(manifest: Manifest, settings: Settings) -> None:
    """Raises ManifestError if documents were encoded in another precision than requested.

    Only writers check this: searches use the same student in any case.
    """
    asked = settings.encode_precision
    if asked != "auto" and manifest.encode_precision is not None:
        require_fields(
            manifest,
            {"encode_precision": asked},
            settings.collection,
            {"encode_precision": settings.asker("encode_precision")},
            database=settings.database,
        )
