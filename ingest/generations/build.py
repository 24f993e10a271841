"""Build a generation of new vectors beside the one that answers searches.

Options that are not given keep their value; only the precision of encoding follows from this
machine's device. A rebuild that was stopped goes on with the same command; searches notice nothing
before `cutover.cut_over`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from pymongo.database import Database

from leafsearch.config import ConfigError, Settings, Storage
from leafsearch.config.hint import hint
from leafsearch.config.storage import STORAGES
from leafsearch.ingest.chunking.chunk import Chunk
from leafsearch.ingest.cli.index_options import Choices
from leafsearch.ingest.errors import TargetError
from leafsearch.ingest.target.analyzer import settle_analyzer
from leafsearch.ingest.target.form import FormDecision
from leafsearch.ingest.target.open import (
    INDEX,
    LoadedPair,
    Named,
    facts_of,
    fit_storage,
    load_pair,
    or_default,
    record_others,
    require_bytes,
    with_wanted,
)
from leafsearch.ingest.target.reconcile import is_empty
from leafsearch.ingest.target.target import OnStatus, Target
from leafsearch.vectors import Collection, Manifest, ManifestError, ModelRecord, explain_errors
from leafsearch.vectors.encoders import encode_probe
from leafsearch.vectors.store import (
    BY_DOCUMENT,
    DEFAULT_STUDENT,
    STORED_FORM,
    VECTOR_PATH,
    Generations,
    RetryBudget,
    find_generations,
    read_generations,
    read_manifest,
    read_transforms,
    require_fields,
    require_search,
)

_SECONDS = 600.0  # for the text index to tell the generations apart


def open_rebuild(
    database: Database[Any],
    settings: Settings,
    choices: Choices,
    retries: RetryBudget | None = None,
    on_status: OnStatus = lambda phase: None,
) -> Target:
    """Begin a generation, or go on with it. Raises as open_target does, before any write."""
    if problems := choices.problems(settings):
        raise ConfigError(problems)
    settings = choices.beats(settings)
    name = settings.collection
    require_search(database[name])
    with explain_errors():
        found, empty = find_generations(database, name), is_empty(database, name)
        if found is None:
            read_manifest(database, name)  # says what there is instead
    if found is None or empty:
        raise TargetError(
            f"collection {database.name}.{name} is empty, so there is nothing to rebuild. "
            "Leave --rebuild out"
        )
    begun = _begun(found, settings, choices)
    if begun is None:
        return _begin_new(database, settings, choices, found, retries, on_status)
    with explain_errors():
        read_transforms(database, [begun.transform], name)
    for index in Collection(database[name], begun).indexes:
        index.require_no_failure()
    choices, reason = settle_analyzer(choices, database[name], begun)
    wanted = with_wanted(begun, choices, name)
    target = Target(
        database, settings, wanted, tuning=choices.tuning, retries=retries, on_status=on_status
    )
    target.analyzer_reason = reason
    return target


def _begun(found: Generations, settings: Settings, choices: Choices) -> Manifest | None:
    """The generation that the same command began before, whether it went on with it or not."""
    if found.other is None:
        return None
    name, active = settings.collection, found.active
    if found.next is not None:
        retire = _finish(settings, "retire")
        _require_asked(found.next, active, settings, choices, f"drop that one with {retire}")
        return found.next
    kept = found.other
    # Searches were rolled back from it: bring it up to date instead of building it again.
    for candidate in (kept, active) if kept.generation > active.generation else (active,):
        try:
            _require_asked(candidate, active, settings, choices, "")
        except ManifestError:
            continue
        return candidate
    raise TargetError(
        f"collection {name} keeps generation {kept.generation} beside {active.generation}, which "
        f"is active, and a collection has at most two. Delete generation {kept.generation} with "
        f"{_finish(settings, 'retire')}, then rebuild"
    )


def _finish(settings: Settings, verb: str) -> str:
    return hint("leaf-ingest", verb, database=settings.database, collection=settings.collection)


def _begin_new(
    database: Database[Any],
    settings: Settings,
    choices: Choices,
    found: Generations,
    retries: RetryBudget | None,
    on_status: OnStatus,
) -> Target:
    name, active, generation = settings.collection, found.active, found.newest + 1
    choices, reason = settle_analyzer(choices, database[name], active)
    sides = _models(active, settings)
    on_status(f"loading {sides['teacher'][0]} and {sides['student'][0]}")
    pair = load_pair(sides["teacher"], sides["student"], settings, retries)
    form = Storage() if choices.most_bytes else _form(active, settings, choices)
    storage = fit_storage(form, settings, pair.teacher)
    tokens = or_default(choices.chunk_tokens, min(active.chunk_tokens, pair.teacher.max_tokens))
    manifest = replace(
        with_wanted(active, choices, settings.collection),
        teacher=ModelRecord.of(pair.teacher),
        student=ModelRecord.of(pair.student),
        alignment=pair.alignment,
        encode_precision=pair.teacher.encode_precision,
        dimensions=storage.dimensions or pair.teacher.dimensions,
        precision=storage.precision,
        scale=None,
        transform=None,
        similarity=storage.similarity,
        quantization=storage.quantization,
        beside=storage.beside,
        index=f"{INDEX}_{generation}",
        path=f"{VECTOR_PATH}_{generation}",
        chunk_tokens=tokens,
        chunk_overlap=or_default(choices.chunk_overlap, min(active.chunk_overlap, tokens // 2)),
        heading_trail=active.heading_trail or bool(choices.heading_trail),
        probe=encode_probe(pair.student),
        facts=facts_of(pair),
        generation=generation,
    )
    manifest = _with_students(manifest, active, settings, pair, on_status)
    target = Target(
        database,
        settings,
        manifest,
        pair.teacher,
        decision=FormDecision(
            choices.open_form("auto" if choices.most_bytes else _usual_transform(active, manifest)),
            pair.student,
            partial(_draw_chunks, database, name, active),
        ),
        tuning=choices.tuning,
        retries=retries,
        on_status=on_status,
    )
    target.analyzer_reason = reason
    return target


def _draw_chunks(database: Database[Any], name: str, active: Manifest, count: int) -> list[Chunk]:
    """Chunks from all over a generation, always the same ones; fewer if it has fewer.

    A transform that is fitted on the beginning of a corpus again would be the same again, though
    later documents are others. The order of their hashes is as good as chance.
    """
    fields = dict.fromkeys(("document", "position", "text", "metadata.title"), 1)
    found = database[name].find(active.chosen, fields).sort("hash", 1).limit(count)
    return [
        Chunk(c["document"], c["position"], c["text"], _title(c), {})
        for c in found.allow_disk_use(True)
        if isinstance(c.get("text"), str)
    ]


def _title(stored: Mapping[str, Any]) -> str:
    title = (stored.get("metadata") or {}).get("title")
    return title if isinstance(title, str) else ""


def _usual_transform(active: Manifest, new: Manifest) -> str:
    """A collection that is cut keeps its transform or keeps none; else measurements decide."""
    if active.teacher != new.teacher or active.dimensions == active.teacher.dimensions:
        return "auto"
    return active.transform.kind if active.transform else "none"


def _with_students(
    manifest: Manifest, active: Manifest, settings: Settings, pair: LoadedPair, on_status: OnStatus
) -> Manifest:
    """With the active generation's other students, which stay those of the same teacher.

    A new student takes the default one's place, or its own name if the collection knows it.
    """
    new = manifest.students[manifest.default_name]
    preset = settings.model_fields_set & {"preset"}
    known = record_others(pair.teacher, settings) if preset else {}
    if manifest.teacher != active.teacher:
        if gone := ", ".join(active.others):
            on_status(f"students {gone} are of the former teacher and stay with its vectors")
        return manifest.with_students({DEFAULT_STUDENT: new, **known}, DEFAULT_STUDENT)
    there = active.students
    named = (name for name, record in there.items() if record.model == new.model)
    default = next(named, active.default_name)
    if there[default].model == new.model:
        new = replace(new, facts=there[default].facts)
    added = {name: record for name, record in known.items() if name not in there}
    return manifest.with_students({**there, **added, default: new}, default)


def _models(active: Manifest, settings: Settings) -> dict[str, Named]:
    """Models at their current revision if they are requested, else at that of the active
    generation."""
    asked = settings.model_fields_set
    sides: dict[str, Named] = {}
    for side in ("teacher", "student"):
        known: ModelRecord = getattr(active, side)
        name = _asked_model(active, settings, side)
        is_asked = asked & {"preset", side}
        sides[side] = (name, None) if is_asked else (known.name, known.revision)
    return sides


def _asked_model(active: Manifest, settings: Settings, side: str) -> str:
    """The requested model; a student may be named as the collection names it."""
    asked: str = getattr(settings.pair, side)
    named = active.encoders.get(asked) if side == "student" else None
    return named.model.name if named else asked


def _form(active: Manifest, settings: Settings, choices: Choices) -> Storage:
    """The requested storage, the rest as it is; dimensions are None to keep all that the teacher
    has."""
    whole = active.dimensions == active.teacher.dimensions
    there = Storage(
        dimensions=None if whole else active.dimensions,
        precision=active.precision,
        quantization=active.quantization,
        beside=active.beside,
    )
    is_named = "storage" in settings.model_fields_set
    parts = choices.form
    asked = replace(STORAGES[settings.storage] if is_named else there, **parts)
    if "quantization" not in parts and not asked.is_quantizable:
        asked = replace(asked, quantization="none")  # only floats and int8 can keep it
    if "beside" not in parts and asked.precision != "binary":
        asked = replace(asked, beside=None)
    return asked


def _require_asked(
    stored: Manifest, active: Manifest, settings: Settings, choices: Choices, otherwise: str
) -> None:
    """Raises ManifestError if a request contradicts this generation."""
    require_bytes(stored, settings, choices, otherwise)
    wanted = dict(_wanted(stored, active, settings, choices))
    about = f"{settings.collection} (generation {stored.generation}, whose rebuild is not finished)"
    require_fields(stored, wanted, about, _askers(settings, choices), otherwise=otherwise)


def _askers(settings: Settings, choices: Choices) -> dict[str, str]:
    named = [settings.asker("storage")] if "storage" in settings.model_fields_set else []
    form = ", ".join([*named, *(f"--{part}" for part in choices.form)])
    return {
        **{side: settings.model_asker(side) for side in ("teacher", "student")},
        "encode_precision": settings.asker("encode_precision"),
        **dict.fromkeys(STORED_FORM, form),
        "transform": "--transform",
        **{name: f"--{name.replace('_', '-')}" for name in choices.chunking},
    }


def _wanted(
    stored: Manifest, active: Manifest, settings: Settings, choices: Choices
) -> Iterator[tuple[str, object]]:
    asked = settings.model_fields_set
    for side in ("teacher", "student"):
        if asked & {"preset", side}:
            yield side, _asked_model(active, settings, side)
    if "storage" in asked or choices.form:
        form = _form(active, settings, choices)
        yield "dimensions", form.dimensions or stored.teacher.dimensions
        yield "precision", form.precision
        yield "quantization", form.quantization
        yield "beside", form.beside
    yield from choices.asked_transform(stored).items()
    if settings.encode_precision != "auto" and stored.encode_precision:
        yield "encode_precision", settings.encode_precision
    yield from choices.chunking.items()


def tell_generations_apart(database: Database[Any], name: str) -> None:
    """A text index covers the texts of all generations, and an old one does not know which is
    which.

    Call this before anything of another generation is written.
    """
    active = read_generations(database, name).active
    if active.hybrid:
        collection = Collection(database[name], active)
        collection.create()
        collection.wait_until_ready(None, seconds=_SECONDS, on_status=lambda status: None)


def find_missing_documents(
    database: Database[Any], name: str, there: Manifest, new: Manifest
) -> Iterator[str]:
    """Ids of documents that the one generation has and the other lacks."""
    others = _documents(database, name, new)
    other = next(others, None)
    for document in _documents(database, name, there):
        while other is not None and other < document:
            other = next(others, None)
        if other != document:
            yield document


def _documents(database: Database[Any], name: str, manifest: Manifest) -> Iterator[str]:
    """Ids in the order of their code points, which is MongoDB's order as well."""
    first: Mapping[str, Any] = {**manifest.chosen, "position": 0}
    with explain_errors():
        found = database[name].find(first, {"_id": 0, "document": 1}).sort("document", 1)
        yield from (chunk["document"] for chunk in found.hint(BY_DOCUMENT))
