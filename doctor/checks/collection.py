"""The collection, its manifest, and the matrix of its transform."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from leafsearch.config.hint import ingest_hint
from leafsearch.config.text import counted, quote
from leafsearch.doctor.context import Case, examine, ingest, names, rebuild, retire
from leafsearch.doctor.findings import Verdict, ok, problem, skipped, warning
from leafsearch.doctor.index import embedded_fields
from leafsearch.doctor.sample import vector_paths
from leafsearch.search.values import paths_of
from leafsearch.vectors import (
    DeploymentError,
    Manifest,
    ManifestError,
    explain_errors,
    list_collection_types,
)
from leafsearch.vectors.store import (
    MANIFESTS,
    TRANSFORMS,
    VECTOR_PATH,
    find_fault,
    find_generations,
    list_unnamed,
    read_matrix,
    require_agreement,
)


def collection(case: Case) -> Verdict:
    name = case.order.settings.collection
    try:
        with explain_errors():
            kinds = list_collection_types(case.mongo.database)
        count = _count(case) if name in kinds else 0
    except DeploymentError as error:
        return problem(f"{case.full_name} cannot be read: {error}")
    if name not in kinds:
        return problem(f"{case.full_name} does not exist; {_others(case, list(kinds))}")
    if kinds[name] == "timeseries":
        return problem(
            f"{case.full_name} is a time series, which cannot have a search index. Ingest its "
            f"documents into another collection: {_elsewhere(case)}"
        )
    if not count:
        return problem(f"{case.full_name} is empty; ingest first with {ingest(case)}")
    case.documents = count
    return ok(f"{case.full_name} holds {counted(count, 'document')}", documents=count)


def _count(case: Case) -> int:
    with explain_errors():
        return case.mongo.estimated_document_count(maxTimeMS=case.left_ms())


def _counted(case: Case, generation: int) -> int:
    """Count by an index alone, which does not distinguish null from missing."""
    wanted = {"$gt": 1} if generation == 1 else generation
    found = case.aggregate({"$match": {"generation": wanted}}, {"$count": "documents"})
    counted = sum(int(part["documents"]) for part in found)
    return case.documents - counted if generation == 1 else counted


def manifest(case: Case) -> Verdict:
    order = case.order
    case.manifest = None  # unless a good one is found; without, all is checked as another program's
    try:
        with explain_errors():
            generations = find_generations(case.mongo.database, order.settings.collection)
    except ManifestError as error:
        return problem(f"{error}: {_elsewhere(case)}")
    if generations is None:
        return _no_manifest(case)
    case.generations, active = generations, generations.active
    path = order.path or active.path
    found = next((m for m in generations.all if m.path == path), None)
    if found is None:
        return skipped(f"it describes {quote(active.path)}, not --path {order.path}")
    case.manifest = found
    if generations.newest > 1:
        own = _counted(case, found.generation)
        case.others, case.documents = max(case.documents - own, 0), own
    return _manifest(case, found)


def _manifest(case: Case, found: Manifest) -> Verdict:
    try:
        require_agreement(found, case.order.settings)
    except ManifestError as error:
        return problem(str(error))
    if found.precision == "int8" and not found.scale:
        return problem(
            "it says int8 without a scale, so no query can be encoded. Restore it from a "
            f"backup, or rebuild the vectors: {rebuild(case)}"
        )
    after = f" (transform {found.transform.kind})" if found.transform else ""
    computed = found.encode_precision or "a precision that is not recorded"
    return ok(
        f"teacher {found.teacher.name} in {computed}, student {found.student.name}, "
        f"{found.codec.form}{after} at {quote(found.path)}"
    )


def transform(case: Case) -> Verdict:
    """The matrices that the manifest names, as they are stored."""
    if case.manifest is None and case.knows(Case.generations) is None:
        _ = case.documents  # raises Unknown if there are none
        return ok("the collection has no manifest, so it has no transform")
    named = [each for each in case.generations.all if each.transform is not None]
    wrong = [(each, fault) for each in named if (fault := _fault(case, each))]
    if wrong:
        return _unusable(case, wrong)
    used = case.manifest.transform if case.manifest else None
    if used is not None:
        case.transform = used
    with explain_errors():
        unnamed = list_unnamed(case.mongo.database)
    if unnamed:
        size = sum(each.bytes for each in unnamed)
        return warning(
            f"{counted(len(unnamed), 'matrix', 'matrices')} in {TRANSFORMS} "
            f"({unnamed[0].checksum[:12]}{', ...' if len(unnamed) > 1 else ''}; {size / 1e6:.1f} "
            f"MB) are named by no manifest of the database; {retire(case)} deletes them",
            unnamed=len(unnamed),
        )
    if used is None:
        return ok("none" if case.manifest else "none is examined")
    return ok(
        f"{used.kind}, {used.dimensions} to {used.columns} dimensions: the matrix "
        f"{used.checksum[:12]} is there and orthonormal; fitted on {used.sample:,} vectors, of "
        f"whose squared length it keeps {used.kept:.1%}",
        kept=used.kept,
        sample=used.sample,
    )


def _fault(case: Case, manifest: Manifest) -> str | None:
    used = manifest.transform
    if used is None:
        return None
    if used.dimensions != manifest.teacher.dimensions or used.columns < manifest.dimensions:
        return (
            f"rotates {used.dimensions} dimensions to {used.columns}; expected "
            f"{manifest.teacher.dimensions}, which the teacher gives, to {manifest.dimensions}"
        )
    with explain_errors():
        return find_fault(used, read_matrix(case.mongo.database, used))


def _unusable(case: Case, wrong: Sequence[tuple[Manifest, str]]) -> Verdict:
    faults = "; ".join(
        f"the matrix {each.transform.checksum[:12] if each.transform else ''} of generation "
        f"{each.generation} {fault}"
        for each, fault in wrong
    )
    active = case.generations.active
    again = f"restore it in {TRANSFORMS} from a backup"
    if any(each.generation == active.generation for each, _ in wrong):
        first = f"{retire(case)} and then " if case.generations.other is not None else ""
        return problem(
            f"{faults}: no query can be compared with these vectors; {again}, or "
            f"{first}{rebuild(case)}"
        )
    return problem(f"{faults}, so searches cannot use it; {again}, or {retire(case)} drops it")


def _no_manifest(case: Case) -> Verdict:
    if case.order.path or case.order.index:
        return skipped(f"{case.full_name} has no manifest, so another program wrote it")
    _ = case.documents  # raises Unknown if there are no documents to describe
    if sum(len(embedded_fields(index)) for index in case.knows(Case.listed) or ()) == 1:
        return ok(f"{case.full_name} needs none: MongoDB embeds its texts itself, see `index`")
    some = case.aggregate({"$limit": 5})
    if any(isinstance(document.get("hash"), bytes) for document in some):
        return problem(
            f"{case.full_name} has lost its manifest, so leaf-search cannot search it; restore the "
            f"document of that _id in {MANIFESTS} from a backup, or ingest elsewhere: "
            f"{_elsewhere(case)}"
        )
    paths, text = vector_paths(some), _longest_text(some)
    look = f"look at its vectors with {examine(case, '--path', paths[0])}; " if paths else ""
    return problem(
        f"{case.full_name} has no manifest, so leaf-search cannot search it: another program wrote "
        f"it; {look}to search it, give its documents vectors: {_in_place(case, some, text)}"
    )


def _elsewhere(case: Case) -> str:
    """The command that ingests into a collection of another name."""
    return ingest(case, "--collection", f"{case.order.settings.collection}_2")


def _longest_text(documents: Sequence[Mapping[str, Any]]) -> str:
    """The most likely text field of these documents."""
    found = [(len(v), p) for doc in documents for p, v in paths_of(doc) if isinstance(v, str)]
    return max(found)[1] if found else "FIELD"


def _in_place(case: Case, documents: Sequence[Mapping[str, Any]], text: str) -> str:
    options = ["--text-field", text]
    if any(VECTOR_PATH in document for document in documents):
        options += ["--path", f"leaf_{VECTOR_PATH}"]
    return ingest_hint(*options, **names(case), in_place=True)


def _others(case: Case, there: Sequence[str]) -> str:
    name = case.order.settings.collection
    known = sorted(each for each in there if not each.startswith("system."))
    if close := difflib.get_close_matches(name, known, n=1):
        return f"did you mean {examine(case, '--collection', close[0])}?"
    if not known:
        return (
            f"the database has no other collection; check --database, or ingest with {ingest(case)}"
        )
    return f"the database has: {', '.join(known[:10])}; name one with --collection"
