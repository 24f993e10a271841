"""Open the target of a run from settings, index options and the manifest, if there is one."""

from dataclasses import dataclass, replace
from typing import Any

from pymongo.database import Database

from leafsearch.config import ConfigError, Settings, Storage
from leafsearch.config.hint import rebuild_hint
from leafsearch.config.text import quote
from leafsearch.ingest.chunking.chunker import DEFAULT_OVERLAP, DEFAULT_TOKENS
from leafsearch.ingest.cli.index_options import Choices, InPlaceChoice
from leafsearch.ingest.errors import TargetError
from leafsearch.ingest.target.analyzer import is_left_to_first_texts, settle_analyzer
from leafsearch.ingest.target.form import FormDecision
from leafsearch.ingest.target.reconcile import is_empty, with_wanted_indexes
from leafsearch.ingest.target.target import OnStatus, Target
from leafsearch.vectors import (
    Encoder,
    Manifest,
    ManifestError,
    ModelError,
    ModelRecord,
    Teacher,
    check_alignment,
    collection_of,
    explain_errors,
    export_student,
    load_encoder,
    load_student,
)
from leafsearch.vectors.encoders import (
    encode_probe,
    load_with_key,
    measure_megabytes,
    measure_milliseconds,
    usual_factor,
)
from leafsearch.vectors.store import (
    HAS_MARK,
    MARK,
    VECTOR_PATH,
    RetryBudget,
    StudentFacts,
    StudentRecord,
    find_manifest,
    require_agreement,
    require_fields,
    require_precision,
    require_search,
)

INDEX = "leaf_vectors"
_ALWAYS_FILTERED = "document"
_USUAL_FACTOR = 2.0  # of candidates, of a small transformer


def require_ours(
    database: Database[Any], name: str, stored: Manifest | None, *, empty: bool
) -> None:
    """Raises TargetError if chunks would be written among documents of other programs."""
    if empty:
        return
    if stored is None:
        raise TargetError(
            f"collection {database.name}.{name} holds documents that leafsearch did not write; "
            "nothing was changed: name another --collection, or give its vectors to these "
            "documents with --in-place"
        )
    if stored.layout == "in_place":
        raise TargetError(
            f"collection {database.name}.{name} holds documents that leafsearch did not write, "
            "with vectors in place; nothing was changed: name another --collection"
        )


def require_room(
    database: Database[Any], name: str, stored: Manifest | None, choice: InPlaceChoice
) -> None:
    """Raises TargetError if vectors in place would be written among chunks, or over other
    fields.

    Without an index on these fields the server scans every document for this.
    """
    if stored is not None and stored.layout == "chunks":
        raise TargetError(
            f"collection {database.name}.{name} has a manifest of chunks that leafsearch wrote; "
            "expected documents of your own for --in-place. Name another collection, or delete "
            "its entry in leaf_manifests if its chunks were dropped"
        )
    path = choice.path or VECTOR_PATH
    theirs = {"$or": [{path: {"$exists": True}}, {MARK: {"$exists": True}}]}
    if stored is None and (found := database[name].find_one({**theirs, "$nor": [HAS_MARK]})):
        field = MARK if MARK in found else path
        raise TargetError(
            f"collection {database.name}.{name} has documents with a field {quote(field)} that "
            f"leafsearch did not write (_id {quote(found['_id'])}); nothing was changed: "
            + ("leafsearch needs this name" if field == MARK else "choose another --path")
        )


def open_target(
    database: Database[Any],
    settings: Settings,
    choices: Choices,
    retries: RetryBudget | None = None,
    on_status: OnStatus = lambda phase: None,
) -> Target:
    """Open the target; calls `on_status` before what takes a while.

    Raises ConfigError, DeploymentError, ManifestError, AlignmentError or TargetError before
    anything is written, and mostly before a model is loaded.
    """
    if problems := choices.problems(settings):
        raise ConfigError(problems)
    settings = choices.beats(settings)
    name = settings.collection
    require_search(database[name])
    with explain_errors():
        stored = find_manifest(database, name)
        if choices.in_place is None:
            empty = is_empty(database, name)
            require_ours(database, name, stored, empty=empty)
        else:
            require_room(database, name, stored, choices.in_place)
            empty = is_empty(database, name, stored)
    if stored is None:
        return _new(database, settings, choices, retries, on_status)
    try:
        return _existing(database, settings, choices, stored, retries, on_status)
    except (ManifestError, ModelError):
        # Ignore the stale manifest of a dropped collection.
        if not empty:
            raise
        return _new(database, settings, choices, retries, on_status)


def _existing(
    database: Database[Any],
    settings: Settings,
    choices: Choices,
    manifest: Manifest,
    retries: RetryBudget | None,
    on_status: OnStatus,
) -> Target:
    name = settings.collection
    require_agreement(manifest, settings, choices.form | choices.asked_transform(manifest))
    require_precision(manifest, settings)
    require_bytes(manifest, settings, choices)
    wanted = choices.chunking
    wanted |= choices.in_place.given if choices.in_place else {}
    askers = {field: f"--{field.replace('_', '-')}" for field in wanted}
    askers["more_text_fields"] = "--text-field"
    require_fields(manifest, wanted, name, askers, database=settings.database)
    for index in collection_of(database[name], manifest).indexes:
        index.require_no_failure()
    choices, reason = settle_analyzer(choices, database[name], manifest)
    wanted_now = with_wanted(manifest, choices, name)
    target = Target(
        database,
        settings,
        wanted_now,
        tuning=choices.tuning,
        retries=retries,
        on_status=on_status,
    )
    target.analyzer_reason = reason
    return target


def with_wanted(manifest: Manifest, choices: Choices, name: str) -> Manifest:
    """The manifest with the indexes that are asked for. Raises ManifestError if the tuning does
    not go with that of the index that is there."""
    wanted = with_wanted_indexes(
        manifest, choices.filters, hybrid=choices.hybrid, tuning=choices.tuning
    )
    if problems := list(wanted.tuning.problems()):
        raise ManifestError(f"collection {name} is indexed flat: {'; '.join(problems)} as well")
    return wanted


def _new(
    database: Database[Any],
    settings: Settings,
    choices: Choices,
    retries: RetryBudget | None,
    on_status: OnStatus,
) -> Target:
    names = settings.pair
    on_status(f"loading {names.teacher} and {names.student}")
    pair = load_pair((names.teacher, None), (names.student, None), settings, retries)
    form = Storage() if choices.most_bytes else choices.storage(settings)
    storage = fit_storage(form, settings, pair.teacher)
    chunk_tokens = or_default(choices.chunk_tokens, min(DEFAULT_TOKENS, pair.teacher.max_tokens))
    # In a mean of chunks, text that two chunks share would count twice.
    overlap = 0 if choices.in_place else min(DEFAULT_OVERLAP, chunk_tokens // 4)
    manifest = Manifest(
        teacher=ModelRecord.of(pair.teacher),
        student=ModelRecord.of(pair.student),
        alignment=pair.alignment,
        encode_precision=pair.teacher.encode_precision,
        dimensions=storage.dimensions or pair.teacher.dimensions,
        precision=storage.precision,
        scale=None,
        similarity=storage.similarity,
        quantization=storage.quantization,
        beside=storage.beside,
        index=INDEX,
        path=VECTOR_PATH,
        filters=tuple(dict.fromkeys([_ALWAYS_FILTERED, *choices.filters])),
        chunk_tokens=chunk_tokens,
        chunk_overlap=or_default(choices.chunk_overlap, overlap),
        heading_trail=bool(choices.heading_trail),
        hybrid=choices.has_words,
        probe=encode_probe(pair.student),
        facts=facts_of(pair),
        others=record_others(pair.teacher, settings),
    )
    if choices.in_place is not None:
        manifest = choices.in_place.manifest(manifest, choices.filters)
    reason, is_left = "", is_left_to_first_texts(choices)
    if not is_left:
        mongo = database[settings.collection]
        choices, reason = settle_analyzer(choices, mongo, manifest, is_new=True)
    target = Target(
        database,
        settings,
        replace(manifest, tuning=choices.tuning),
        pair.teacher,
        decision=FormDecision(choices.open_form("auto"), pair.student),
        tuning=choices.tuning,
        by_language=is_left,
        retries=retries,
    )
    target.analyzer_reason = reason
    return target


def require_bytes(
    manifest: Manifest, settings: Settings, choices: Choices, otherwise: str = ""
) -> None:
    """Raises ManifestError if a chunk's vectors take more bytes than --bytes allows."""
    form, most = manifest.codec.form, choices.most_bytes
    if most is not None and form.bytes > most:
        rebuild = rebuild_hint(
            "--bytes",
            str(most),
            database=settings.database,
            collection=settings.collection,
            in_place=manifest.layout == "in_place",
            whole=True,
        )
        raise ManifestError(
            f"collection {settings.collection} stores {form.bytes:,} bytes of vectors a chunk "
            f"({form}); --bytes asks for at most {most:,}. Drop --bytes to keep the collection "
            f"unchanged, or {otherwise or rebuild}"
        )


@dataclass(frozen=True)
class LoadedPair:
    teacher: Teacher
    student: Encoder
    alignment: float  # see Manifest


Named = tuple[str, str | None]  # name and revision of a model, None for the current revision


def load_pair(
    teacher: Named, student: Named, settings: Settings, retries: RetryBudget | None = None
) -> LoadedPair:
    """Raises ModelError or AlignmentError.

    The student is exported here, where torch is installed, so that searches do not need torch.
    """
    seconds = (retries or RetryBudget()).seconds
    one = load_with_key(
        settings,
        teacher[0],
        lambda key: load_encoder(
            teacher[0],
            revision=teacher[1],
            key=key,
            precision=settings.encode_precision,
            retry_for=seconds,
        ),
        variable="LEAF_TEACHER",
    )
    other: Encoder = one
    if student == teacher:
        export_student(one)
    else:
        other = load_with_key(
            settings,
            student[0],
            lambda key: load_student(student[0], revision=student[1], key=key),
        )
    return LoadedPair(one, other, check_alignment(one, other).cosine)


def facts_of(pair: LoadedPair) -> StudentFacts:
    """What is recorded of the pair's student: a factor of candidates only where it is not usual."""
    is_static = pair.student is not pair.teacher and usual_factor(pair.student) != _USUAL_FACTOR
    return StudentFacts(usual_factor(pair.student) if is_static else None)


def record_others(teacher: Teacher, settings: Settings) -> dict[str, StudentRecord]:
    """The preset's other students by name. Raises ModelError or AlignmentError."""
    records: dict[str, StudentRecord] = {}
    for name, model in settings.pair.others.items():
        student = load_student(model)
        cosine = check_alignment(teacher, student).cosine
        facts = StudentFacts(
            usual_factor(student), measure_milliseconds(student), measure_megabytes(student)
        )
        own = ModelRecord.of(student)
        records[name] = StudentRecord(own, cosine, encode_probe(student), facts)
    return records


def fit_storage(storage: Storage, settings: Settings, teacher: Teacher) -> Storage:
    """The storage with its number of dimensions, which some formats take from the teacher."""
    if (dimensions := storage.dimensions or teacher.dimensions) > teacher.dimensions:
        raise TargetError(
            f"the storage format has {dimensions} dimensions, but teacher {teacher.name} gives "
            f"{teacher.dimensions}; expected no more. Choose --dimensions or --storage full"
        )
    return settings.stored_as(**{**vars(storage), "dimensions": dimensions})


def or_default(value: int | None, default: int) -> int:
    return default if value is None else value
