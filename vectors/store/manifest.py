"""The manifest: what made the vectors of a collection. See store.manifests for where it is kept.

Format 2 (format 1, of version 0.1, will always be read):

    format: 2
    teacher: {name, revision, dimensions, query_prompt, document_prompt}
    students: {NAME: {the fields of a model, alignment, probe, candidates; milliseconds, megabytes
        and kept where they were measured}}
    default_student: NAME
    transform: null, or {kind, dimensions, columns, checksum, sample, kept}; see forms.transform
    encode_precision: float32 | bfloat16 | float16 | null (remote, or not recorded)
    and the fields of Manifest under their own names
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from bson.binary import Binary

from leafsearch.config.presets import current_name
from leafsearch.config.storage import UNTUNED, IndexTuning, Precision, Quantization, Similarity
from leafsearch.config.text import quote
from leafsearch.vectors.encoders.base import Encoder, Rows
from leafsearch.vectors.errors import ManifestError
from leafsearch.vectors.forms.codec import Codec
from leafsearch.vectors.forms.transform import KINDS, Transform, parse_transform

MANIFESTS = "leaf_manifests"
VECTOR_PATH = "embedding"
MARK = "leaf"  # the field of a document with its vector in place that is ours
FORMAT = 2
_READ = (1, 2)
# Chunks in a collection of their own, or a vector inside each of the user's documents. A manifest
# of texts in the user's documents that MongoDB embeds itself is never stored.
Layout = Literal["chunks", "in_place", "auto_embedded"]
StoredVectors = Mapping[str, Binary]  # by path
DEFAULT_STUDENT = "default"  # the name of the first student
TEACHER = "teacher"  # what a search calls the teacher; no student has this name
_SAME_SPACE_FACTOR, _STUDENT_FACTOR = 1.0, 2.0  # of candidates, where none is recorded
# Fields of the document beside those of Manifest: of the whole document, and grouped by format 2.
_OF_DOCUMENT = {"_id", "format", "next", "previous", "newest"}
_OF_STUDENT = {"student", "alignment", "probe", "facts", "default_name", "others"}
_GROUPED = {"students", "default_student"}


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


@dataclass(frozen=True)
class StudentFacts:
    """What is recorded of a student beside its model; None where it was not measured.

    candidates    how many times as many candidates its queries take as the teacher's
    milliseconds  median time of one query, on the machine that added the student
    megabytes     of the files that a search reads
    kept          share of what the teacher's own queries find, see search.students.check
    """

    candidates: float | None = None
    milliseconds: float | None = None
    megabytes: float | None = None
    kept: float | None = None


@dataclass(frozen=True)
class StudentRecord:
    """A student of a collection. `alignment`: the mean cosine of its queries, at ingest with the
    teacher's on probe texts, later with stored vectors. `probe`: see encoders.require_probe."""

    model: ModelRecord
    alignment: float
    probe: Binary | None = None
    facts: StudentFacts = StudentFacts()


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """`student`, `alignment`, `probe` and `facts` are of the default student, `default_name`."""

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
    facts: StudentFacts = StudentFacts()
    default_name: str = DEFAULT_STUDENT  # of the student that a search uses unless it names another
    others: Mapping[str, StudentRecord] = field(default_factory=dict, hash=False)

    @property
    def students(self) -> dict[str, StudentRecord]:
        """All students by name, the default one first."""
        default = StudentRecord(self.student, self.alignment, self.probe, self.facts)
        return {self.default_name: default, **self.others}

    @property
    def encoders(self) -> dict[str, StudentRecord]:
        """All that can encode queries, by name: the students, and the teacher."""
        return {**self.students, TEACHER: StudentRecord(self.teacher, 1.0)}

    def candidates_factor(self, name: str, usual: float = _STUDENT_FACTOR) -> float:
        """How many times as many candidates this student's queries take as the teacher's."""
        record = self.encoders[name]
        if record.facts.candidates is not None:
            return record.facts.candidates
        is_teacher = _is_same_model(record.model, self.teacher)
        return _SAME_SPACE_FACTOR if is_teacher else usual

    def with_students(self, students: Mapping[str, StudentRecord], default: str) -> "Manifest":
        """Replace the students; the vectors stay."""
        one = students[default]
        return replace(
            self,
            student=one.model,
            alignment=one.alignment,
            probe=one.probe,
            facts=one.facts,
            default_name=default,
            others={name: record for name, record in students.items() if name != default},
        )

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


def to_document(manifest: Manifest) -> dict[str, Any]:
    flat = {**asdict(manifest), "filters": list(manifest.filters)}
    # Only where there are some, so that earlier versions read all other manifests.
    if more := list(flat.pop("more_text_fields")):
        flat["more_text_fields"] = more
    if tuning := {name: value for name, value in flat.pop("tuning").items() if value is not None}:
        flat["tuning"] = tuning
    if flat["beside"] is None:
        del flat["beside"]
    for name in _OF_STUDENT:
        del flat[name]
    return {
        "format": FORMAT,
        **flat,
        "students": {name: student_document(each) for name, each in manifest.students.items()},
        "default_student": manifest.default_name,
    }


def student_document(record: StudentRecord) -> dict[str, Any]:
    """What was measured is written only where it was, so that earlier versions read the others."""
    measured = {k: v for k, v in asdict(record.facts).items() if v is not None}
    own = {"alignment": record.alignment, "probe": record.probe, "candidates": None}
    return {**asdict(record.model), **own, **measured}


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
        student = known["student"]
        return Manifest(
            **{
                **known,
                "teacher": _model(known["teacher"]),
                "student": student if isinstance(student, ModelRecord) else _model(student),
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


def _is_same_model(one: ModelRecord, other: ModelRecord) -> bool:
    return (one.name, one.revision) == (other.name, other.revision)


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
    students = {name: _student(each) for name, each in document["students"].items()}
    default = document["default_student"]
    own = students.pop(default)
    return {
        **document,
        "student": own.model,
        "alignment": own.alignment,
        "probe": own.probe,
        "facts": own.facts,
        "default_name": default,
        "others": students,
    }


def _student(document: Mapping[str, Any]) -> StudentRecord:
    model = dict(document)
    facts = StudentFacts(**{f.name: model.pop(f.name, None) for f in fields(StudentFacts)})
    alignment, probe = model.pop("alignment"), model.pop("probe")
    return StudentRecord(_model(model), alignment, probe, facts)
