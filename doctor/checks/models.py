"""The models against the vectors: did the teacher make them, does the student find them?"""

import math
from collections.abc import Sequence

import numpy as np

from leafsearch.config import Settings
from leafsearch.doctor.context import Case, encode_again, rebuild
from leafsearch.doctor.findings import Verdict, ok, problem, skipped
from leafsearch.doctor.sample import EncodedText, StoredKind, list_ids
from leafsearch.vectors import Encoder, ModelError, Rows, load_encoder, load_student
from leafsearch.vectors.encoders import (
    MINIMUM_COSINE,
    Words,
    is_remote,
    load_with_key,
    require_probe,
    require_torch,
    unit_rows,
)
from leafsearch.vectors.store import read_matrices

_TEXTS = 16
SAME_COSINE = 0.9  # cosine of two encodings of one text by one model, however they were stored
# The same minimum for signs alone: what remains is the angle's share of a half turn.
_MINIMUM_IN_BITS = 1 - 2 * math.acos(MINIMUM_COSINE) / math.pi
_FOUND = 0.5  # minimum share of texts whose own vector is the nearest


def teacher(case: Case) -> Verdict:
    there = case.passages
    loaded = _teacher(case)
    if isinstance(loaded, Verdict):
        return loaded
    passages = _readable(loaded, there)
    case.other_model = True  # until its vectors are compared
    if too_short := _too_short("teacher", loaded, passages, case):
        return problem(f"{too_short}; {_by_this_teacher(case)}")
    whole = loaded.encode_documents(_texts(passages))
    cosines = compare(projected(case, whole), _stored(passages))
    own = np.diagonal(cosines)
    median, numbers = float(np.median(own)), {"cosine": float(np.median(own)), "texts": len(own)}
    if median < SAME_COSINE:
        if other := _another_transform(case, whole, _stored(passages)):
            return problem(
                f"the stored vectors are those of {loaded.name} {other}; "
                + encode_again(case, "--all", otherwise=""),
                **numbers,
            )
        return problem(
            f"the stored vectors are not those of {loaded.name}: median cosine {median:.2f} over "
            f"{len(own)} texts, expected {SAME_COSINE}; {_by_this_teacher(case)}",
            **numbers,
        )
    case.other_model, case.teacher = False, loaded
    changed = [p.id for p, cosine in zip(passages, own, strict=True) if cosine < SAME_COSINE]
    if changed:
        return problem(
            f"{len(changed)} of {len(own)} texts do not give their stored vectors "
            f"({list_ids(changed)}): another model made these, or the texts were changed since; "
            + encode_again(case, "--all", otherwise="encode them again"),
            **numbers,
        )
    return ok(f"{loaded.name} made the vectors: median cosine {median:.2f}", **numbers)


def student(case: Case) -> Verdict:
    if case.other_model:
        return skipped("the stored vectors are not the teacher's, see `teacher`")
    there = case.passages
    loaded = _student(case)
    if isinstance(loaded, Verdict):
        return loaded
    passages = _readable(loaded, there)
    if too_short := _too_short("student", loaded, passages, case):
        return problem(f"{too_short}; {_another_student(case)}")
    cosines, least = _compared(case, loaded, passages)
    own = np.diagonal(cosines)
    mean = float(own.mean())
    found = float(np.mean(own >= cosines.max(axis=1) - 1e-5))
    numbers = {"cosine": mean, "found": found, "texts": len(own)}
    if mean < least or found < _FOUND:
        return problem(
            f"{loaded.name} does not share the space of the vectors: mean cosine {mean:.2f} of "
            f"texts with their own, expected {least:.2f}; {found:.0%} nearest to their own, "
            f"expected {_FOUND:.0%}; {_another_student(case)}",
            **numbers,
        )
    return ok(f"{loaded.name} is aligned: mean cosine {mean:.2f}", **numbers)


def _readable(model: Encoder, passages: Sequence[EncodedText]) -> Sequence[EncodedText]:
    """Some of the texts, without words that the model does not know; `vocabulary` is about these,
    unless there are no others."""
    written = Words(model.tokenizer).write(_texts(passages))
    known = [p for p, text in zip(passages, written, strict=True) if p.text == text]
    return (known or passages)[:_TEXTS]


def _compared(case: Case, student: Encoder, passages: Sequence[EncodedText]) -> tuple[Rows, float]:
    """Cosines (n, n) of each text with all, and the minimum that is expected for a text's own."""
    texts, stored = _texts(passages), _stored(passages)
    if teacher := case.knows(Case.teacher):
        # Both as queries, with their prompts: the student's role.
        wanted = _projected_queries(case, teacher.encode_queries(texts))[:, : stored.shape[1]]
        found = _projected_queries(case, student.encode_queries(texts))
        return compare(found, wanted), MINIMUM_COSINE
    # Both as documents, like the stored vectors.
    least = _MINIMUM_IN_BITS if _in_bits(passages) else MINIMUM_COSINE
    return compare(projected(case, student.encode_documents(texts)), stored), least


def projected(case: Case, rows: Rows) -> Rows:
    """As the codec projects documents, where a transform is more than `compare` can do.

    Raises Unknown if its matrix is unusable.
    """
    if case.manifest is None or case.manifest.transform is None:
        return rows
    _ = case.transform
    return case.manifest.codec.project(rows)


def _projected_queries(case: Case, rows: Rows) -> Rows:
    if case.manifest is None or case.manifest.transform is None:
        return rows
    _ = case.transform
    return case.manifest.codec.project_queries(rows)


def _another_transform(case: Case, rows: Rows, stored: Rows) -> str | None:
    """What the stored vectors went through instead of the manifest's transform, if that is known:
    restored or edited manifests name a transform that the vectors do not fit."""

    def fits(projected: Rows) -> bool:
        return float(np.median(np.diagonal(compare(projected, stored)))) >= SAME_COSINE

    if case.manifest is None:
        return None
    own = case.manifest.transform
    if own is not None and fits(rows):
        return f"without the transform {own.checksum[:12]} that the manifest names"
    for checksum, matrix in read_matrices(case.mongo.database, rows.shape[1]):
        if own is not None and checksum == own.checksum:
            continue
        if matrix.shape[1] >= stored.shape[1] and fits(rows @ matrix):
            named = f"; the manifest names {own.checksum[:12] if own else 'none'}"
            return f"after the transform {checksum[:12]}{named}"
    return None


def _teacher(case: Case) -> Encoder | Verdict:
    settings, manifest = case.order.settings, case.manifest
    if manifest is None and not settings.model_fields_set & {"teacher", "preset"}:
        return skipped("the model is unknown without a manifest; give --teacher")
    name = manifest.teacher.name if manifest else settings.pair.teacher
    revision = manifest.teacher.revision if manifest else None
    try:
        _require_packages(name)
    except ModelError as error:
        return skipped(str(error))
    try:
        return load_with_key(
            settings,
            name,
            lambda key: load_encoder(name, revision=revision, key=key),
            variable="LEAF_TEACHER",
        )
    except ModelError as error:
        # Searches do not need the teacher, but another model under its name is a problem.
        if not _is_there(settings, name):
            return skipped(str(error))
        return problem(f"{error}; {_with_current_models(case)}" if manifest else str(error))


def _student(case: Case) -> Encoder | Verdict:
    settings, manifest = case.order.settings, case.manifest
    if manifest is None and not settings.model_fields_set & {"student", "preset"}:
        return skipped("the model is unknown without a manifest; give --student")
    name = manifest.student.name if manifest else settings.pair.student
    try:
        revision = manifest.student.revision if manifest else _revision(settings, name)
        loaded = load_with_key(
            settings, name, lambda key: load_student(name, revision=revision, key=key)
        )
        if manifest and manifest.probe is not None:
            require_probe(loaded, manifest.probe)
        return loaded
    except ModelError as error:
        is_other = manifest is not None and _is_there(settings, name)
        return problem(f"{error}; {_with_current_models(case)}" if is_other else str(error))


def _by_this_teacher(case: Case) -> str:
    named = "name the model that made them with --teacher, or encode them again"
    return encode_again(case, "--all", otherwise=named)


def _another_student(case: Case) -> str:
    manifest = case.manifest
    if manifest is None:
        return "use a student of the teacher that made them"
    teacher = manifest.teacher.name
    pair = rebuild(case, "--teacher", teacher, "--student", teacher)
    return f"name a student of {teacher}, or let the teacher encode the questions: {pair}"


def _with_current_models(case: Case) -> str:
    manifest = case.manifest
    if manifest is None:
        return "name another"
    models = ("--teacher", manifest.teacher.name, "--student", manifest.student.name)
    return f"restore the old model, or use the current one: {rebuild(case, *models)}"


def _texts(passages: Sequence[EncodedText]) -> list[str]:
    return [passage.text for passage in passages]


def _stored(passages: Sequence[EncodedText]) -> Rows:
    return np.stack([passage.stored.values for passage in passages])


def compare(rows: Rows, wanted: Rows) -> Rows:
    """(n, n), with `rows` brought to the form of `wanted`: truncated, in bits."""
    cut = rows[:, : wanted.shape[1]]
    if np.isin(wanted, (-1, 1)).all():
        cut = np.where(cut > 0, 1, -1)
    return unit_rows(cut) @ unit_rows(wanted).T


def _in_bits(passages: Sequence[EncodedText]) -> bool:
    return passages[0].stored.kind is StoredKind.BITS


def _too_short(
    role: str, model: Encoder, passages: Sequence[EncodedText], case: Case
) -> str | None:
    transform = case.transform if case.manifest and case.manifest.transform else None
    needed = transform.dimensions if transform else passages[0].stored.dimensions
    if model.dimensions == needed or (model.dimensions > needed and transform is None):
        return None
    return (
        f"{role} {model.name} gives {model.dimensions} dimensions, the stored vectors have "
        f"{needed}: another model made them"
    )


def _require_packages(name: str) -> None:
    if not name.startswith("hashing:") and not is_remote(name):
        require_torch(name)


def _is_there(settings: Settings, name: str) -> bool:
    try:
        _revision(settings, name)
    except ModelError:
        return False
    return True


def _revision(settings: Settings, name: str) -> str:
    """The current revision of a model name; raises ModelError if it does not exist."""
    if name.startswith("hashing:") or is_remote(name):
        return load_with_key(settings, name, lambda key: load_encoder(name, key=key).revision)
    from leafsearch.vectors.encoders import find_model

    return find_model(name).revision
