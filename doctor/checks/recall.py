"""Search with stored vectors: does each find itself, do approximate searches find the nearest?"""

import math
from dataclasses import dataclass, field
from typing import cast

from leafsearch.config.hint import hint
from leafsearch.config.storage import Quantization
from leafsearch.doctor.context import Case, OutOfTime, names, rebuild, repair
from leafsearch.doctor.findings import Severity, Verdict, ok, problem, skipped, warning
from leafsearch.doctor.sample import StoredVector, list_ids, may_be_indexed, read, spread_over
from leafsearch.doctor.searches import DEEP, K, Probe, nearest
from leafsearch.search import MOST_CANDIDATES
from leafsearch.search.retrieval import candidates_for
from leafsearch.search.session import load_for
from leafsearch.vectors import CodecError, Manifest, ModelError
from leafsearch.vectors.encoders import usual_factor
from leafsearch.vectors.store import sample_queries

_ENOUGH, _TOLERABLE = 0.95, 0.9  # MongoDB's target lies between them
_FACTORS = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)  # of candidates
_LADDER = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


def hits(case: Case) -> Verdict:
    index, sample = case.index, case.readable
    if not index.queryable:
        return skipped(f"{index.name} cannot be searched, see `index status`")
    usable = sample.indexed_by(index)
    if not usable:
        return problem(f"{index.name} can hold none of the sampled vectors; see the checks above")
    case.probes = probes = [
        Probe(id, stored, nearest(case.run, stored, index, limit=DEEP))
        for id, stored in spread_over(usable, case.order.queries)
    ]
    if not any(probe.hits for probe in probes):
        if all(may_be_indexed(stored, index) for _, stored in usable):
            return problem(
                f"a search in {index.name} finds nothing: this server skips int8 vectors under "
                "quantization binary, as all did before Atlas of 2026-10-19; if this was just "
                f"written, try again in a moment, else {_unquantized(case)}"
            )
        return problem(
            f"a search in {index.name} finds nothing; if this was just written, try again "
            f"in a moment, else {_made_again(case)}"
        )
    lost = [probe.id for probe in probes if not probe.finds_itself(index)]
    if lost:
        return problem(
            f"{len(lost)} of {len(probes)} stored vectors do not find their own documents "
            f"({list_ids(lost)}): the index lags behind the collection; try again in a moment, "
            f"else {_made_again(case)}"
        )
    return ok(f"{len(probes)} of {len(probes)} stored vectors find their own documents")


def recall(case: Case) -> Verdict:
    """By stored vectors, then by queries of each student, which the graph finds harder."""
    found = _by_stored_vectors(case)
    # What stored vectors already complain of comes first.
    if case.manifest is None or case.other_model or found.level is not Severity.OK:
        return found
    students: dict[str, dict[str, float | None]] = {}
    said: list[str] = []
    is_short = False
    try:
        for name in case.manifest.students:
            one = _by_student(case, case.manifest, name)
            students[name] = one.numbers
            said.append(one.message)
            is_short |= one.is_short
    except OutOfTime:
        said.append("no time was left for the other students; raise --seconds")
    level = Severity.WARNING if is_short else Severity.OK
    message = "; ".join([found.message, *filter(None, said)])
    return Verdict(level, message, {**found.numbers, "students": students})


@dataclass(frozen=True)
class _StudentRecall:
    message: str = ""
    numbers: dict[str, float | None] = field(default_factory=dict)
    is_short: bool = False


def _by_student(case: Case, manifest: Manifest, name: str) -> _StudentRecall:
    """Recall with the student's own factor of candidates, and the least factor that is enough."""
    texts = [passage.text for passage in case.knows(Case.passages) or ()]
    queries = sample_queries(texts)[0][: case.order.queries]
    if not queries:
        return _StudentRecall()
    try:
        student = load_for(manifest, name, case.order.settings)
    except ModelError as error:
        is_default = name == manifest.default_name  # `student` says so
        return _StudentRecall("" if is_default else f"student {name} cannot be loaded: {error}")
    factor = manifest.candidates_factor(name, usual_factor(student))
    try:
        rows = manifest.codec.project_queries(student.encode_queries(queries))
        asked = [read(each) for each in manifest.codec.encode(rows)]
    except CodecError:  # int8 without a scale, which `manifest` reports
        return _StudentRecall()
    probes = [
        Probe(None, each, nearest(case.run, each, case.index, limit=DEEP))
        for each in asked
        if isinstance(each, StoredVector)
    ]
    probes = [probe for probe in probes if probe.hits]
    if not probes:
        return _StudentRecall()
    usual = _usual_candidates(case)

    def at(factor: float) -> float:
        return _mean_recall(case, probes, min(math.ceil(usual * factor), MOST_CANDIDATES))

    found = {factor: at(factor)}
    for other in _FACTORS:
        found.setdefault(other, at(other))
        if found[other] >= _ENOUGH or usual * other >= min(case.documents, MOST_CANDIDATES):
            break
    enough = min((f for f, share in found.items() if share >= _ENOUGH), default=None)
    numbers = {"recall": found[factor], "factor": factor, "enough": enough}
    measured = f"student {name}: {found[factor]:.2f} with candidates x{factor:g}"
    if found[factor] >= _ENOUGH:
        # A small collection is searched whole in any case.
        is_less = enough is not None and enough < factor and usual * enough < case.documents
        less = f", x{enough:g} is enough" if is_less else ""
        return _StudentRecall(f"{measured}{less}", numbers)
    if enough is None:
        return _StudentRecall(f"{measured}, and less than {_ENOUGH} with any", numbers, True)
    change = hint("leaf-search students", "candidates", name, f"{enough:g}", **names(case))
    return _StudentRecall(f"{measured}; {_ENOUGH} needs x{enough:g}: {change}", numbers, True)


def _usual_candidates(case: Case) -> int:
    return case.order.num_candidates or candidates_for(
        K, documents=case.documents, quantization=cast(Quantization, case.index.quantization)
    )


def _by_stored_vectors(case: Case) -> Verdict:
    index = case.index
    quantization = cast(Quantization, index.quantization)
    judged = _usual_candidates(case)
    probes = [probe for probe in case.probes if probe.others]
    if not probes:
        return skipped("too few documents to compare neighbours")
    found = {judged: _mean_recall(case, probes, judged)}
    for number in _LADDER:
        found.setdefault(number, _mean_recall(case, probes, number))
        if found[number] >= _ENOUGH or number >= case.documents:
            break
    enough = min((n for n, share in found.items() if share >= _ENOUGH), default=None)
    measured = f"{found[judged]:.2f} of the {K} nearest at numCandidates {judged:,}"
    numbers = {"recall": found[judged], "num_candidates": judged, "enough": enough}
    if enough is None:
        best, more = max(found.values()), ""
        if case.manifest is not None and quantization != "none":
            more = f"; {rebuild(case, '--quantization', 'none')}"
        return (warning if best >= _TOLERABLE else problem)(
            f"{measured}, and at most {best:.2f} with any numCandidates: create the index "
            f"with another quantization than {index.quantization}, or the vectors with more "
            f"dimensions{more}",
            **numbers,
        )
    if found[judged] < _ENOUGH:
        return warning(
            f"{measured}; {_ENOUGH} needs {enough:,}: search with {_with_candidates(case, enough)}",
            **numbers,
        )
    less = f"; {enough:,} is enough for {_ENOUGH}" if enough < judged else ""
    return ok(f"{measured}{less}", **numbers)


def _unquantized(case: Case) -> str:
    if case.manifest is None:
        return "make the index without quantization"
    return rebuild(case, "--quantization", "none")


def _with_candidates(case: Case, number: int) -> str:
    option = ("--num-candidates", str(number))
    if case.manifest is None:  # leaf-search cannot search it
        return " ".join(option)
    return hint("leaf-search", "QUESTION", *option, **names(case))


def _made_again(case: Case) -> str:
    if case.manifest is None:
        return "drop the index and create it again"
    return f"drop the index, and {repair(case)} creates it again"


def _mean_recall(case: Case, probes: list[Probe], num_candidates: int) -> float:
    shares = [
        probe.recall(
            nearest(case.run, probe.stored, case.index, limit=K + 1, num_candidates=num_candidates),
            case.index,
        )
        for probe in probes
    ]
    return sum(shares) / len(shares)
