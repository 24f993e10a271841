"""List the students of a collection, add one, remove one, choose the default."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from pymongo.database import Database

from leafsearch.config import Settings
from leafsearch.config.hint import Names, hint
from leafsearch.config.text import expected_one_of, quote
from leafsearch.search.errors import QueryError
from leafsearch.search.session.auto_embed import embedding_manifest
from leafsearch.search.session.open import load_for
from leafsearch.search.students.check import check_student, measure_kept, require_dimensions
from leafsearch.vectors import (
    DeploymentError,
    Manifest,
    ManifestError,
    ModelRecord,
    explain_errors,
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
    TEACHER,
    StudentFacts,
    StudentRecord,
    add_student,
    read_manifest,
    remove_student,
    set_candidates,
    set_default_student,
)

MOST_FACTOR = 100.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # a key of the manifest


@dataclass(frozen=True, kw_only=True)
class ListedStudent:
    """A student with what was measured; None where nothing was. See store.StudentFacts."""

    name: str
    is_default: bool
    model: str
    cosine: float
    milliseconds: float | None
    megabytes: float | None
    kept: float | None
    candidates: float


def students_of(database: Database[Any], collection: str) -> Manifest:
    """The manifest. Raises ManifestError, or QueryError where MongoDB encodes the questions."""
    with explain_errors():
        try:
            return read_manifest(database, collection)
        except ManifestError:
            with suppress(DeploymentError), explain_errors():
                listed = list(database[collection].aggregate([{"$listSearchIndexes": {}}]))
                if embedding_manifest(listed, collection) is not None:
                    raise QueryError(
                        f"{database.name}.{collection} has an autoEmbed index, whose questions "
                        "MongoDB encodes itself: it has no students. Ingest its documents with "
                        "leafsearch to choose models"
                    ) from None
            raise


def list_students(manifest: Manifest) -> list[ListedStudent]:
    """The default one first, then by name."""
    names = [manifest.default_name, *sorted(manifest.others)]
    return [_listed(manifest, name, manifest.students[name]) for name in names]


def _listed(manifest: Manifest, name: str, record: StudentRecord) -> ListedStudent:
    return ListedStudent(
        name=name,
        is_default=name == manifest.default_name,
        model=record.model.name,
        cosine=record.alignment,
        milliseconds=record.facts.milliseconds,
        megabytes=record.facts.megabytes,
        kept=record.facts.kept,
        candidates=manifest.candidates_factor(name),
    )


def add(
    database: Database[Any],
    settings: Settings,
    name: str,
    *,
    candidates: float | None = None,
    is_default: bool = False,
    is_kept_measured: bool = False,
    on_status: Callable[[str], None] = lambda line: None,
) -> ListedStudent:
    """Add the model `settings.student` as `name`, after it was checked against stored vectors.

    Raises QueryError for a name or a factor that cannot be, AlignmentError for a model that does
    not fit, ModelError for one that cannot be loaded.
    """
    collection, model = settings.collection, settings.student or ""
    _require_name(name)
    if candidates is not None:
        _require_factor(candidates)
    manifest = students_of(database, collection)
    if name in manifest.students:
        raise QueryError(
            f"student {name} is there already, {manifest.students[name].model.name}; expected a "
            f"new name. Choose another one, or {_remove(settings, name)} removes it first"
        )
    on_status(f"loading {model}")
    student = load_with_key(settings, model, lambda key: load_student(model, key=key))
    require_dimensions(student, manifest)
    on_status(f"comparing its queries with vectors of {database.name}.{collection}")
    alignment = check_student(student, database, collection, manifest)
    is_teacher = (student.name, student.revision) == (
        manifest.teacher.name,
        manifest.teacher.revision,
    )
    usual = None if is_teacher else usual_factor(student)
    facts = StudentFacts(
        candidates=usual if candidates is None else candidates,
        milliseconds=measure_milliseconds(student),
        megabytes=measure_megabytes(student),
    )
    if is_kept_measured:
        on_status(f"loading {manifest.teacher.name} to compare what both find")
        teacher = load_for(manifest, TEACHER, settings)
        kept = measure_kept(student, teacher, database, collection, manifest)
        facts = replace(facts, kept=kept)
    own = ModelRecord.of(student)
    record = StudentRecord(own, alignment.cosine, encode_probe(student), facts)
    with explain_errors():
        add_student(database, collection, manifest, name, record, is_default=is_default)
        return _listed(read_manifest(database, collection), name, record)


def remove(database: Database[Any], settings: Settings, name: str) -> None:
    """Raises QueryError for the default student, and for a name that no student has."""
    manifest = students_of(database, settings.collection)
    _require_there(manifest, name, database.name, settings)
    if name == manifest.default_name:
        others = sorted(manifest.others)
        another = others[0] if others else "NAME"
        command = _command(settings, "default", another)
        first = "" if others else f"{_command(settings, 'add', 'NAME', 'MODEL')} adds one, and "
        raise QueryError(
            f"student {name} is the default of {database.name}.{settings.collection}; expected "
            f"another one. Choose another default first: {first}{command} makes it the default"
        )
    with explain_errors():
        remove_student(database, settings.collection, manifest, name)


def choose_default(database: Database[Any], settings: Settings, name: str) -> None:
    """Raises QueryError for a name that no student has."""
    manifest = students_of(database, settings.collection)
    _require_there(manifest, name, database.name, settings)
    with explain_errors():
        set_default_student(database, settings.collection, manifest, name)


def choose_candidates(
    database: Database[Any], settings: Settings, name: str, factor: float
) -> None:
    """Raises QueryError for a name that no student has, or a factor that cannot be."""
    _require_factor(factor)
    manifest = students_of(database, settings.collection)
    _require_there(manifest, name, database.name, settings)
    with explain_errors():
        set_candidates(database, settings.collection, manifest, name, factor)


def _require_factor(factor: float) -> None:
    if not 1 <= factor <= MOST_FACTOR:
        raise QueryError(f"candidates are {factor:g}; expected a factor from 1 to 100")


def _require_name(name: str) -> None:
    if name == TEACHER:
        raise QueryError(
            "student teacher: this name always means the teacher itself; expected another one"
        )
    if not _NAME.fullmatch(name):
        raise QueryError(
            f"student {quote(name)}: expected a name of letters, digits, - and _, at most 64"
        )


def _require_there(manifest: Manifest, name: str, database: str, settings: Settings) -> None:
    if name == TEACHER:
        add = _command(settings, "add", "NAME", manifest.teacher.name)
        raise QueryError(
            "student teacher: the teacher is always there, but is no student; expected one of "
            f"{_names(list(manifest.students))}. {add} adds it as a student"
        )
    if name not in manifest.students:
        full_name = f"{database}.{settings.collection}"
        known = expected_one_of(name, list(manifest.students))
        raise QueryError(f"student {quote(name)}: {full_name} has none of this name; {known}")


def _names(names: Sequence[str]) -> str:
    return ", ".join(names)


def _remove(settings: Settings, name: str) -> str:
    return _command(settings, "remove", name)


def _command(settings: Settings, *words: str) -> str:
    where: Names = {"database": settings.database, "collection": settings.collection}
    return hint("leaf-search students", *words, **where)
