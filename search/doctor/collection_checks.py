"""The collection and what is recorded about it."""

import difflib
from collections.abc import Sequence

from config.text import quote
from search.doctor.case import Case
from search.doctor.findings import Verdict, ok, problem, skipped
from vectors import DeploymentError, Manifest, ManifestError, explained
from vectors.agreement import demand_agreement
from vectors.generations import find_generations


def collection(case: Case) -> Verdict:
    name = case.order.settings.collection
    try:
        kinds = _kinds(case)
        count = _count(case) if name in kinds else 0
    except DeploymentError as error:
        return problem(f"{case.full_name} cannot be read: {error}")
    if name not in kinds:
        return problem(f"{case.full_name} does not exist; {_others(name, list(kinds))}")
    if kinds[name] == "timeseries":
        return problem(f"{case.full_name} is a time series, which cannot have a search index")
    if not count:
        return problem(f"{case.full_name} is empty; ingest first with `leaf-ingest PATH`")
    case.documents = count
    return ok(f"{case.full_name} holds {count:,} documents", documents=count)


def _kinds(case: Case) -> dict[str, str]:
    """Whether each of the database is a collection, a view, or a time series."""
    with explained():
        # In this form it is open to whoever may read a collection.
        listed = case.mongo.database.list_collections(nameOnly=True, authorizedCollections=True)
        return {found["name"]: str(found["type"]) for found in listed}


def _count(case: Case) -> int:
    with explained():
        return case.mongo.estimated_document_count(maxTimeMS=case.left_ms())


def _counted(case: Case, generation: int) -> int:
    """By an index alone, which does not tell null from missing."""
    wanted = {"$gt": 1} if generation == 1 else generation
    found = case.aggregate({"$match": {"generation": wanted}}, {"$count": "documents"})
    counted = sum(int(part["documents"]) for part in found)
    return case.documents - counted if generation == 1 else counted


def manifest(case: Case) -> Verdict:
    order = case.order
    case.manifest = None  # unless a good one is found: then all is checked as a stranger's
    try:
        with explained():
            generations = find_generations(case.mongo.database, order.settings.collection)
    except ManifestError as error:
        return problem(str(error))
    if generations is None:
        return _no_manifest(case)
    case.generations, active = generations, generations.active
    path = order.path or active.path
    found = next((m for m in generations.all if m.path == path), None)
    if found is None:
        return skipped(f"it is about {quote(active.path)}, not about --path {order.path}")
    case.manifest = found
    if generations.newest > 1:
        own = _counted(case, found.generation)
        case.others, case.documents = max(case.documents - own, 0), own
    return _manifest(case, found)


def _manifest(case: Case, found: Manifest) -> Verdict:
    try:
        demand_agreement(found, case.order.settings, None)
    except ManifestError as error:
        return problem(str(error))
    if found.precision == "int8" and not found.scale:
        return problem(
            "it says int8 without a scale, so no question can be encoded; restore it from a "
            "backup, or ingest again into a new --collection"
        )
    return ok(
        f"teacher {found.teacher.name}, student {found.student.name}, {found.dimensions} x "
        f"{found.precision} at {quote(found.path)}"
    )


def _no_manifest(case: Case) -> Verdict:
    if case.order.path or case.order.index:
        return skipped(f"{case.full_name} has none, so another program wrote it")
    return problem(
        f"{case.full_name} has none, so leaf-search cannot search it: ingest with `leaf-ingest "
        "PATH`; or, if another program wrote it, say where its vectors are with --path"
    )


def _others(name: str, there: Sequence[str]) -> str:
    known = sorted(each for each in there if not each.startswith("system."))
    if close := difflib.get_close_matches(name, known, n=1):
        return f"did you mean --collection {close[0]}?"
    if not known:
        return "nor has the database any other; check --database, or ingest with `leaf-ingest PATH`"
    return f"the database has: {', '.join(known[:10])}; name one with --collection"
