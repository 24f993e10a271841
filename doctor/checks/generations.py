"""Generations of vectors in one collection: is each one known, and could it answer?"""

import re
from collections.abc import Mapping

from leafsearch.config.hint import hint
from leafsearch.doctor.context import Case, names, retire
from leafsearch.doctor.findings import Verdict, ok, problem, warning
from leafsearch.vectors import Manifest, SearchIndexError, explain_errors
from leafsearch.vectors.store import BY_GENERATION, IndexSpec

_NUMBERED = re.compile(r"leaf_vectors(?:_(\d+))?(?:_text)?")


def generations(case: Case) -> Verdict:
    left = _indexes(case)
    if case.manifest is None and case.knows(Case.generations) is None:
        return ok("the collection has no manifest, so it has no generations")
    found = case.generations
    counts = _counts(case)
    known = {manifest.generation for manifest in found.all}
    numbers = {f"generation_{n}": chunks for n, chunks in sorted(counts.items())}
    if strangers := {n: chunks for n, chunks in counts.items() if n not in known}:
        shown = ", ".join(f"{chunks:,} of generation {n}" for n, chunks in strangers.items())
        return problem(
            f"chunks of a generation that the manifest does not name take up space ({shown}), left "
            f"by a dropped rebuild: {retire(case)} deletes them",
            **numbers,
        )
    if left := left - known:
        return warning(
            f"search indexes of generation {', '.join(map(str, sorted(left)))} remain, which "
            f"the manifest does not name; {retire(case)} drops them",
            **numbers,
        )
    return _beside(case, counts, numbers)


def _beside(case: Case, counts: Mapping[int, int], numbers: Mapping[str, int]) -> Verdict:
    found = case.generations
    active = f"searches use generation {found.active.generation}"
    if found.next is not None:
        chunks = counts.get(found.next.generation, 0)
        return ok(
            f"{active}; {found.next.generation} is being built and has {chunks:,} chunks", **numbers
        )
    if found.previous is None:
        return ok(f"{active}, the only one", **numbers)
    kept = found.previous
    if not counts.get(kept.generation):
        return warning(
            f"{active}; {kept.generation} is kept for rollback, but has no chunks: drop it with "
            f"{retire(case)}",
            **numbers,
        )
    if trouble := _trouble(case, kept):
        return warning(f"{active}; {kept.generation} is kept for rollback, but {trouble}")
    rollback = hint("leaf-ingest", "rollback", **names(case))
    return ok(f"{active}; {kept.generation} is kept for {rollback}", **numbers)


def _trouble(case: Case, kept: Manifest) -> str:
    specs = [IndexSpec.of_vectors(kept, case.full_name)]
    if kept.hybrid:
        specs.append(IndexSpec.of_text(kept, case.full_name))
    try:
        for spec in specs:
            spec.judge(case.listed, ready=True)
    except SearchIndexError as error:
        return str(error)
    return ""


def _counts(case: Case) -> dict[int, int]:
    """Chunks of each generation; nothing is counted if there never was a second one."""
    everything = case.documents + case.others
    with explain_errors():
        indexes = {str(index["name"]) for index in case.mongo.list_indexes()}
    if BY_GENERATION not in indexes:
        return {1: everything}
    later = {"$match": {"generation": {"$gt": 1}}}
    found = case.aggregate(later, {"$group": {"_id": "$generation", "chunks": {"$sum": 1}}})
    counts = {int(group["_id"]): int(group["chunks"]) for group in found}
    # The rest belongs to the first generation, approximately; look whether it has any chunk.
    if case.aggregate({"$match": {"generation": None, "hash": {"$exists": True}}}, {"$limit": 1}):
        counts[1] = max(everything - sum(counts.values()), 1)
    return counts


def _indexes(case: Case) -> set[int]:
    matches = [_NUMBERED.fullmatch(str(listed["name"])) for listed in case.listed]
    return {int(match[1] or 1) for match in matches if match}
