"""Filter paths: does a document have them, and can the server use their values?"""

import difflib
from collections.abc import Sequence
from typing import Any

from pymongo.errors import ExecutionTimeout

from leafsearch.doctor.context import Case, OutOfTime, ingest, repair
from leafsearch.doctor.findings import Verdict, ok, problem, warning
from leafsearch.search.values import filtered_kind, kind_of, paths_of, scalars_at, values_at
from leafsearch.vectors import explain_errors

_LONGEST = 8191  # UTF-16 units of a string that the index keeps


def paths(case: Case) -> Verdict:
    declared = _declared(case)
    unseen = [
        path
        for path in declared
        if not any(values_at(drawn.document, path) for drawn in case.sample.drawn)
    ]
    missing = [path for path in unseen if not _is_anywhere(case, path)]
    if missing:
        return problem(
            f"no document has {', '.join(missing)}, so a filter on it finds nothing; "
            f"{_near(case, missing)}"
        )
    return ok(f"documents have {', '.join(declared)}" if declared else "no filter path is declared")


def values(case: Case) -> Verdict:
    wrong, doubtful = [], []
    for path in _declared(case):
        found = [v for drawn in case.sample.drawn for v in scalars_at(drawn.document, path)]
        if bad := sorted({kind_of(value) for value in found if filtered_kind(value) is None}):
            listed = ", ".join(f"a {kind}" for kind in bad)
            wrong.append(f"{path} holds {listed}, which no filter finds")
        elif len(usable := sorted({kind_of(value) for value in found} - {"null"})) > 1:
            doubtful.append(f"{path} holds {' and '.join(usable)}")
        if any(_is_cut(value) for value in found):
            wrong.append(
                f"{path} holds strings that the index truncates after {_LONGEST:,} characters"
            )
    again = "correct these fields in the source"
    if case.manifest is not None:
        again += f", then run {ingest(case)}"
    if wrong:
        return problem(
            f"{'; '.join(wrong)}: filters take booleans, numbers, strings up to {_LONGEST:,} "
            f"characters, dates, ObjectIds and UUIDs; {again}"
        )
    if doubtful:
        return warning(
            f"{'; '.join(doubtful)}: a filter compares only with values of its own type; {again}"
        )
    return ok("all are of types that filters can compare")


def _declared(case: Case) -> list[str]:
    manifest = case.manifest
    if manifest is None:
        return list(case.index.filters)
    index = case.knows(Case.index)
    return list(dict.fromkeys([*manifest.filters, *(index.filters if index else ())]))


def _is_anywhere(case: Case, path: str) -> bool:
    if case.sample.whole:
        return False
    with explain_errors():
        try:
            asked = {path: {"$exists": True}}
            return case.mongo.find_one(asked, {"_id": 1}, max_time_ms=case.left_ms()) is not None
        except ExecutionTimeout as error:
            raise OutOfTime from error


def _near(case: Case, missing: Sequence[str]) -> str:
    some = case.aggregate({"$limit": 5})
    known = sorted({path for document in some for path, _ in paths_of(document)})
    close = [hit for path in missing for hit in difflib.get_close_matches(path, known, n=1)]
    if case.manifest is None:
        meant = f"did you mean {', '.join(close)}? " if close else ""
        return f"{meant}Remove {', '.join(missing)} from the index, or write it into the documents"
    meant = ""
    if close:
        declare = ingest(case, "--filter-field", close[0])
        meant = f"did you mean {close[0]}? {declare} declares it; "
    return f"{meant}{repair(case)} removes from the index what no document has"


def _is_cut(value: Any) -> bool:
    return isinstance(value, str) and len(value.encode("utf-16-le")) // 2 > _LONGEST
