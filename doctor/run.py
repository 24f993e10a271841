"""The checks in their order: each may need what the ones before have learnt."""

from collections.abc import Callable, Iterator
from contextlib import closing

from pymongo.errors import OperationFailure

from leafsearch.doctor import (
    collection_checks,
    deployment_checks,
    filter_checks,
    generation_checks,
    index_checks,
    kind_checks,
    model_checks,
    recall_checks,
    size_checks,
    text_checks,
    vector_checks,
)
from leafsearch.doctor.case import Case, Order, OutOfTime, Unknown
from leafsearch.doctor.findings import Finding, Verdict, problem, skipped
from leafsearch.vectors import DeploymentError
from leafsearch.vectors.store.connection import FORBIDDEN

CHECKS: dict[str, Callable[[Case], Verdict]] = {
    "connection": deployment_checks.connection,
    "TLS": deployment_checks.tls,
    "server version": deployment_checks.version,
    "search": deployment_checks.search,
    "collection": collection_checks.collection,
    "manifest": collection_checks.manifest,
    "generations": generation_checks.generations,
    "index": index_checks.index,
    "index status": index_checks.status,
    "index definition": index_checks.definition,
    "vectors": vector_checks.presence,
    "vector type": kind_checks.kind,
    "vector dimensions": vector_checks.dimensions,
    "vector values": vector_checks.values,
    "vector length": vector_checks.length,
    "vector variety": vector_checks.variety,
    "indexed documents": index_checks.coverage,
    "filter paths": filter_checks.paths,
    "filter values": filter_checks.values,
    "texts": text_checks.texts,
    "teacher": model_checks.teacher,
    "student": model_checks.student,
    "memory": size_checks.memory,
    "quantization": size_checks.quantization,
    "hits": recall_checks.hits,
    "recall": recall_checks.recall,
}


def examine(order: Order) -> Iterator[Finding]:
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
        return skipped(f"the {case.order.seconds:g} s are over; give more with --seconds")
    except DeploymentError as error:
        return skipped(str(error)) if _is_refused(error) else problem(str(error))


def _is_refused(error: DeploymentError) -> bool:
    """Whether the user has no right to look, which says nothing about what is there."""
    cause = error.__cause__
    return isinstance(cause, OperationFailure) and cause.code in FORBIDDEN
