"""Search with stored vectors: does each find itself, do approximate searches find the nearest?"""

from typing import cast

from leafsearch.config.hint import hint
from leafsearch.config.storage import Quantization
from leafsearch.doctor.context import Case, names, rebuild, repair
from leafsearch.doctor.findings import Verdict, ok, problem, skipped, warning
from leafsearch.doctor.sample import list_ids, may_be_indexed, spread_over
from leafsearch.doctor.searches import DEEP, K, Probe, nearest
from leafsearch.search.retrieval import candidates_for

_ENOUGH, _TOLERABLE = 0.95, 0.9  # MongoDB's target lies between them
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
    index = case.index
    quantization = cast(Quantization, index.quantization)
    judged = case.order.num_candidates or candidates_for(
        K, documents=case.documents, quantization=quantization
    )
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
