"""Measures a student: how near it is to its teacher, how fast, and how well it finds."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from leafsearch.config import Settings
from leafsearch.distill.progress import say
from leafsearch.distill.request import DistillRequest
from leafsearch.evaluation import CachedModel, Format, Role, TestCollection, evaluate
from leafsearch.vectors import Alignment, Encoder, connect, export_student, load_student
from leafsearch.vectors.encoders import (
    PROBES,
    TransformerEncoder,
    find_model,
    measure_alignment,
    student_folder,
)
from leafsearch.vectors.store import deployment_uri

_ROUNDS = 15


@dataclass(frozen=True)
class Quality:
    """nDCG@10 of one test collection; `who` encodes documents / queries, `format` stores them."""

    test: str
    who: str
    format: str
    dimensions: int
    ndcg: float
    of_teacher: float


@dataclass(frozen=True)
class Latency:
    """Median milliseconds of a short query, encoded alone, without torch."""

    teacher: float
    student: float

    @property
    def share(self) -> float:
        return self.student / self.teacher

    @property
    def shown_share(self) -> str:
        return f"{self.share:.0%}" if self.share > 0.095 else f"{self.share:.1%}"


def alignment(teacher: TransformerEncoder, student: str) -> Alignment:
    """The alignment that ingest checks."""
    return measure_alignment(teacher, load_student(student))


def latency(teacher: Encoder, student: str) -> Latency | None:
    """Measure both in turns, so that other load on this machine affects both.

    None for a teacher that cannot be exported.
    """
    cached = student_folder(teacher.name, teacher.revision)
    was_there = cached.is_dir()
    if not export_student(teacher):
        return None
    try:
        return _compare(teacher, student)
    finally:
        if not was_there:
            shutil.rmtree(cached, ignore_errors=True)  # searches do not use the teacher


def quality(
    order: DistillRequest, test: TestCollection, folder: Path, chosen: Settings
) -> Iterator[Quality]:
    models: dict[Role, CachedModel] = {
        "teacher": CachedModel(order.teacher, "teacher"),
        "student": CachedModel(str(folder), "student"),
    }
    with closing(connect(deployment_uri(chosen, say))) as client:
        report = evaluate(test, models, client, chosen.database, say)
    alone = next(row.ndcg for row in report.rows if _who(row.format) == "teacher / teacher") or 1.0
    for row in report.rows:
        found, format = row.ndcg, row.format
        form = format.storage.precision if format.alone else format.name
        yield Quality(
            report.collection, _who(format), form, format.dimensions, found, found / alone
        )


def _who(format: Format) -> str:
    return f"{format.documents} / {format.queries}"


def _compare(teacher: Encoder, student: str) -> Latency:
    sides = (load_student(teacher.name, revision=teacher.revision), load_student(student))
    for side in sides:
        side.encode_queries(PROBES)
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(_ROUNDS):
        for kept, side in zip(times, sides, strict=True):
            kept += _milliseconds(side, PROBES)
    return Latency(*(median(kept) for kept in times))


def forget(folder: Path) -> None:
    """Remove the student that measuring left in the cache under a temporary name."""
    name = str(folder)
    shutil.rmtree(student_folder(name, find_model(name).revision), ignore_errors=True)


def _milliseconds(encoder: Encoder, queries: Sequence[str]) -> list[float]:
    found = []
    for query in queries:
        start = time.perf_counter()
        encoder.encode_queries([query])
        found.append((time.perf_counter() - start) * 1e3)
    return found
