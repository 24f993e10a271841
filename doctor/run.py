"""The checks in their order: each may need what the ones before have learnt."""

from collections.abc import Callable, Iterator
from contextlib import closing

from pymongo.errors import OperationFailure

from leafsearch.doctor.checks import (
    collection,
    deployment,
    drift,
    filters,
    generations,
    indexes,
    kinds,
    models,
    recall,
    sizes,
    texts,
    vectors,
    vocabulary,
)
from leafsearch.doctor.context import Case, Examination, OutOfTime, Unknown
from leafsearch.doctor.findings import Finding, Verdict, problem, skipped
from leafsearch.vectors import DeploymentError
from leafsearch.vectors.store import FORBIDDEN_CODES

CHECKS: dict[str, Callable[[Case], Verdict]] = {
    "connection": deployment.connection,
    "TLS": deployment.tls,
    "server version": deployment.version,
    "search": deployment.search,
    "collection": collection.collection,
    "manifest": collection.manifest,
    "transform": collection.transform,
    "generations": generations.generations,
    "index": indexes.index,
    "index status": indexes.status,
    "index definition": indexes.definition,
    "vectors": vectors.presence,
    "vector type": kinds.kind,
    "vector dimensions": vectors.dimensions,
    "vector values": vectors.values,
    "vector length": vectors.length,
    "second vectors": vectors.second,
    "vector variety": vocabulary.variety,
    "indexed documents": indexes.coverage,
    "filter paths": filters.paths,
    "filter values": filters.values,
    "texts": texts.texts,
    "teacher": models.teacher,
    "vocabulary": vocabulary.vocabulary,
    "student": models.student,
    "memory": sizes.memory,
    "quantization": sizes.quantization,
    "hits": recall.hits,
    "recall": recall.recall,
    "drift": drift.drift,
}


def examine(order: Examination) -> Iterator[Finding]:
    """One finding for each of CHECKS, as soon as it is known. Nothing is written."""
    with closing(Case(order)) as case:
        for name, check in CHECKS.items():
            verdict = _verdict(check, case)
            yield Finding(name, verdict.level, verdict.message, verdict.numbers)


def _verdict(check: Callable[[Case], Verdict], case: Case) -> Verdict:
    try:
        return check(case)
    except Unknown as reason:
        return skipped(str(reason))
    except OutOfTime:
        return skipped(f"time limit of {case.order.seconds:g} s reached; raise --seconds")
    except DeploymentError as error:
        return skipped(str(error)) if _is_refused(error) else problem(str(error))


def _is_refused(error: DeploymentError) -> bool:
    """Whether the user has no right to look, which says nothing about what is there."""
    cause = error.__cause__
    return isinstance(cause, OperationFailure) and cause.code in FORBIDDEN_CODES
