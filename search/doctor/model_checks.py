"""The models against what is stored: did the teacher make it, does the student find it?"""

from collections.abc import Sequence

import numpy as np

from search.doctor.case import Case
from search.doctor.findings import Verdict, ok, problem, skipped
from search.doctor.sample import Passage, shown
from search.doctor.stored import Kind
from vectors import Encoder, ModelError, Rows, load_encoder, load_student
from vectors.alignment import MINIMUM_COSINE
from vectors.encoder import demand_torch, is_remote, unit_rows

_TEXTS = 16
_SAME = 0.9  # cosine of two encodings of one text by one model, however they were stored
_FOUND = 0.5  # least share of texts whose own vector is the nearest of all


def teacher(case: Case) -> Verdict:
    passages = case.passages[:_TEXTS]
    loaded = _teacher(case)
    if isinstance(loaded, Verdict):
        return loaded
    rows = loaded.encode_documents([passage.text for passage in passages])
    cosines = _cosines(rows, passages, as_stored=True)
    if cosines is None:
        case.other_model = True
        return problem(_too_short("teacher", loaded, passages))
    own = np.diagonal(cosines)
    median, numbers = float(np.median(own)), {"cosine": float(np.median(own)), "texts": len(own)}
    if median < _SAME:
        case.other_model = True
        return problem(
            f"the stored vectors are not those of {loaded.name}: median cosine {median:.2f} over "
            f"{len(own)} texts, expected {_SAME}; name the model that made them, or encode anew",
            **numbers,
        )
    changed = [p.id for p, cosine in zip(passages, own, strict=True) if cosine < _SAME]
    if changed:
        return problem(
            f"{len(changed)} of {len(own)} texts do not give their stored vectors "
            f"({shown(changed)}): another model made these, or the texts were changed since; "
            "encode them again",
            **numbers,
        )
    return ok(f"{loaded.name} made the vectors: median cosine {median:.2f}", **numbers)


def student(case: Case) -> Verdict:
    passages = case.passages[:_TEXTS]
    if case.other_model:
        return skipped("the stored vectors are not the teacher's, see `teacher`")
    loaded = _student(case)
    if isinstance(loaded, Verdict):
        return loaded
    # As documents, because the texts are: the prompt of questions would be one more difference.
    rows = loaded.encode_documents([passage.text for passage in passages])
    cosines = _cosines(rows, passages, as_stored=False)
    if cosines is None:
        return problem(_too_short("student", loaded, passages))
    own = np.diagonal(cosines)
    mean = float(own.mean())
    found = float(np.mean(own >= cosines.max(axis=1) - 1e-5))
    numbers = {"cosine": mean, "found": found, "texts": len(own)}
    if mean < MINIMUM_COSINE or found < _FOUND:
        return problem(
            f"{loaded.name} does not share the space of the stored vectors: mean cosine {mean:.2f} "
            f"with its own text, expected {MINIMUM_COSINE}; {found:.0%} of texts nearest to their "
            f"own vectors, expected {_FOUND:.0%}; take a student of the teacher",
            **numbers,
        )
    return ok(f"{loaded.name} is aligned: mean cosine {mean:.2f} with stored vectors", **numbers)


def _teacher(case: Case) -> Encoder | Verdict:
    settings, manifest = case.order.settings, case.manifest
    if manifest is None and not settings.model_fields_set & {"teacher", "preset"}:
        return skipped("no manifest names it; give --teacher")
    name = manifest.teacher.name if manifest else settings.pair.teacher
    revision = manifest.teacher.revision if manifest else None
    try:
        _demand_packages(name)
    except ModelError as error:
        return skipped(str(error))
    try:
        return load_encoder(name, revision=revision, key=settings.key)
    except ModelError as error:
        # Searches do without the teacher; but not with another one under its name.
        return problem(str(error)) if _is_there(name) else skipped(str(error))


def _student(case: Case) -> Encoder | Verdict:
    settings, manifest = case.order.settings, case.manifest
    if manifest is None and not settings.model_fields_set & {"student", "preset"}:
        return skipped("no manifest names it; give --student")
    name = manifest.student.name if manifest else settings.pair.student
    try:
        revision = manifest.student.revision if manifest else _revision(name)
        return load_student(name, revision=revision, key=settings.key)
    except ModelError as error:
        return problem(str(error))


def _cosines(rows: Rows, passages: Sequence[Passage], *, as_stored: bool) -> Rows | None:
    """(n, n): each text with each stored vector; None if the model gives too few dimensions."""
    stored = np.stack([passage.stored.values for passage in passages])
    if rows.shape[1] < stored.shape[1]:
        return None
    cut = rows[:, : stored.shape[1]]
    if as_stored and passages[0].stored.kind is Kind.BITS:
        cut = np.where(cut > 0, 1, -1)
    return unit_rows(cut) @ unit_rows(stored).T


def _too_short(role: str, model: Encoder, passages: Sequence[Passage]) -> str:
    return (
        f"{role} {model.name} gives {model.dimensions} dimensions, the stored vectors have "
        f"{passages[0].stored.dimensions}: another model made them; name that one"
    )


def _demand_packages(name: str) -> None:
    if not name.startswith("hashing:") and not is_remote(name):
        demand_torch(name)


def _is_there(name: str) -> bool:
    try:
        _revision(name)
    except ModelError:
        return False
    return True


def _revision(name: str) -> str:
    """Of what stands under a name now; raises ModelError if nothing does."""
    if name.startswith("hashing:") or is_remote(name):
        return load_encoder(name).revision
    from vectors.models import find_model

    return find_model(name).revision
