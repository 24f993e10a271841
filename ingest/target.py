"""Where chunks go, and how: agreed with the manifest before anything is read or encoded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pymongo.database import Database

from config import ConfigError, Settings, Storage
from ingest.chunker import DEFAULT_OVERLAP, DEFAULT_TOKENS, Chunker
from ingest.errors import TargetError
from vectors import (
    Codec,
    CodecError,
    Collection,
    Encoder,
    Manifest,
    Model,
    Rows,
    check_alignment,
    explained,
    export_student,
    load_encoder,
    load_tokenizer,
)
from vectors.agreement import demand_agreement
from vectors.alignment import probe_of
from vectors.manifest import amend, demand, find_manifest, write_manifest

INDEX = "leaf_vectors"
PATH = "embedding"
_ALWAYS_FILTERED = "document"
_TOP_LEVEL = ("_id", "document", "position", "text", "hash")


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What was asked beyond the settings; None is not given, so that the manifest may decide."""

    dimensions: int | None = None
    precision: str | None = None
    quantization: str | None = None
    chunk_tokens: int | None = None
    chunk_overlap: int | None = None
    filters: Sequence[str] = ()
    hybrid: bool = False


class Target:
    """A collection to write to. Nothing is written before the first vectors are there."""

    def __init__(
        self,
        database: Database[Any],
        settings: Settings,
        manifest: Manifest,
        teacher: Encoder | None = None,
    ) -> None:
        """With a `teacher` the collection is new; else the manifest is in force and names it."""
        name = settings.collection
        self.is_new = teacher is not None
        self._loaded = teacher
        self._database = database
        self._name = name
        self._key = settings.key
        self._has_index = False
        self.collection = Collection(database[name], manifest)
        model = manifest.teacher
        self.chunker = Chunker(
            load_tokenizer(model.name, revision=model.revision),
            max_tokens=teacher.max_tokens if teacher else manifest.chunk_tokens,
            tokens=manifest.chunk_tokens,
            overlap=manifest.chunk_overlap,
            prompt=model.document_prompt,
        )

    @property
    def teacher(self) -> Encoder:
        """Loaded when there is something to encode: most runs over a corpus find nothing new."""
        if self._loaded is None:
            model = self.manifest.teacher
            self._loaded = load_encoder(model.name, revision=model.revision, key=self._key)
        return self._loaded

    @property
    def manifest(self) -> Manifest:
        return self.collection.manifest

    def write(self, chunks: Sequence[Mapping[str, Any]], rows: Rows) -> None:
        """`rows`: (n, the teacher's dimensions), one for each of the stored forms of n chunks."""
        try:
            if self.is_new:
                self._agree(rows)
            vectors = self.manifest.codec.compress(rows)
        except CodecError as error:
            if error.row is None:
                raise
            raise CodecError(f"chunk {chunks[error.row]['_id']}: {error}") from error
        self.ensure_index()
        self.collection.write(chunks, vectors)

    def ensure_index(self) -> None:
        """Nothing for a new collection, which has no vectors yet."""
        if self._has_index or self.is_new:
            return
        self.collection.create()
        self._has_index = True

    def _agree(self, rows: Rows) -> None:
        """The manifest comes before collection and index: a run killed in between can go on."""
        asked = self.manifest
        codec = Codec.calibrated(asked.dimensions, asked.precision, rows)
        with explained():
            agreed = write_manifest(self._database, self._name, replace(asked, scale=codec.scale))
        self.collection = Collection(self._database[self._name], agreed)
        self.is_new = False


def open_target(database: Database[Any], settings: Settings, choices: Choices) -> Target:
    """Raises ManifestError, AlignmentError or TargetError before the first write."""
    check_filters(choices.filters)
    with explained():
        stored = find_manifest(database, settings.collection)
        if stored is None:
            _demand_empty(database, settings.collection)
    if stored is None:
        return _new(database, settings, choices)
    return _existing(database, settings, choices, stored)


def check_filters(paths: Sequence[str]) -> None:
    for path in paths:
        if path.startswith("metadata.") or path in _TOP_LEVEL:
            continue
        raise ConfigError(
            [
                f"--filter-field {path}: a document's own fields are stored below metadata; did "
                f"you mean --filter-field metadata.{path}?"
            ]
        )


def _existing(
    database: Database[Any], settings: Settings, choices: Choices, manifest: Manifest
) -> Target:
    asked = (choices.dimensions, choices.precision, choices.quantization)
    storage = _storage(settings, choices) if any(a is not None for a in asked) else None
    demand_agreement(manifest, settings, storage)
    chunking = {"chunk_tokens": choices.chunk_tokens, "chunk_overlap": choices.chunk_overlap}
    given = {name: value for name, value in chunking.items() if value is not None}
    demand(manifest, given, settings.collection)
    filters = _united(manifest.filters, choices.filters)
    hybrid = manifest.hybrid or choices.hybrid
    if (filters, hybrid) != (manifest.filters, manifest.hybrid):
        name = settings.collection
        manifest = amend(database, name, manifest, filters=filters, hybrid=hybrid)
    return Target(database, settings, manifest)


def _new(database: Database[Any], settings: Settings, choices: Choices) -> Target:
    storage = _storage(settings, choices)
    teacher = load_encoder(settings.pair.teacher, key=settings.key)
    if (dimensions := storage.dimensions or teacher.dimensions) > teacher.dimensions:
        raise TargetError(
            f"storage {settings.storage} has {dimensions} dimensions, but teacher {teacher.name} "
            f"gives {teacher.dimensions}; expected no more: choose --dimensions or --storage full"
        )
    storage = settings.stored_as(**{**vars(storage), "dimensions": dimensions})
    same = settings.pair.student == settings.pair.teacher
    student = teacher if same else load_encoder(settings.pair.student, key=settings.key)
    alignment = check_alignment(teacher, student)
    export_student(student)  # here, where torch is, so that no search needs it
    chunk_tokens = _given(choices.chunk_tokens, min(DEFAULT_TOKENS, teacher.max_tokens))
    manifest = Manifest(
        teacher=Model.of(teacher),
        student=Model.of(student),
        alignment=alignment.cosine,
        dimensions=dimensions,
        precision=storage.precision,
        scale=None,
        similarity=storage.similarity,
        quantization=storage.quantization,
        index=INDEX,
        path=PATH,
        filters=_united((_ALWAYS_FILTERED,), choices.filters),
        chunk_tokens=chunk_tokens,
        chunk_overlap=_given(choices.chunk_overlap, min(DEFAULT_OVERLAP, chunk_tokens // 4)),
        hybrid=choices.hybrid,
        probe=probe_of(student),
    )
    return Target(database, settings, manifest, teacher)


def _demand_empty(database: Database[Any], name: str) -> None:
    if database[name].find_one({}, {"_id": 1}) is not None:
        raise TargetError(
            f"collection {database.name}.{name} holds documents that leafsearch did not write; "
            "nothing was changed: name another --collection"
        )


def _storage(settings: Settings, choices: Choices) -> Storage:
    return settings.stored_as(
        dimensions=choices.dimensions,
        precision=choices.precision,
        quantization=choices.quantization,
    )


def _united(paths: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*paths, *more]))


def _given(value: int | None, default: int) -> int:
    return default if value is None else value
