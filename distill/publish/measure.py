"""What is worth knowing of a student: how near it is to its teacher, and how much faster."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from leafsearch.vectors import Alignment, Encoder, export_student, load_student
from leafsearch.vectors.encoders import (
    PROBES,
    TransformerEncoder,
    find_model,
    measure_alignment,
    student_folder,
)

_ROUNDS = 15


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one of a few short queries alone, medians; both on ONNX Runtime."""

    teacher: float
    student: float

    @property
    def share(self) -> float:
        return self.student / self.teacher


def alignment(teacher: TransformerEncoder, student: str) -> Alignment:
    """As ingest checks it."""
    return measure_alignment(teacher, load_student(student))


def latency(teacher: Encoder, student: str) -> Latency | None:
    """The two take turns, so that what else this machine does burdens both.

    None for a teacher that cannot be exported.
    """
    cached = student_folder(teacher.name, teacher.revision)
    was_there = cached.is_dir()
    if not export_student(teacher):
        return None
    try:
        return _compared(teacher, student)
    finally:
        if not was_there:
            shutil.rmtree(cached, ignore_errors=True)  # nobody searches with a teacher


def _compared(teacher: Encoder, student: str) -> Latency:
    sides = (load_student(teacher.name, revision=teacher.revision), load_student(student))
    for side in sides:
        side.encode_queries(PROBES)
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(_ROUNDS):
        for kept, side in zip(times, sides, strict=True):
            kept += _milliseconds(side, PROBES)
    return Latency(*(median(kept) for kept in times))


def forget(folder: Path) -> None:
    """What measuring has left in the user's cache, where nobody would find it by this name."""
    name = str(folder)
    shutil.rmtree(student_folder(name, find_model(name).revision), ignore_errors=True)


def _milliseconds(encoder: Encoder, queries: Sequence[str]) -> list[float]:
    found = []
    for query in queries:
        start = time.perf_counter()
        encoder.encode_queries([query])
        found.append((time.perf_counter() - start) * 1e3)
    return found
