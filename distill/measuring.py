"""What is worth knowing of a student: how near it is to its teacher, and how much faster."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from distill.errors import DistillError
from vectors import Alignment, Encoder, export_student, load_student
from vectors.alignment import PROBES, measure_alignment
from vectors.transformer import TransformerEncoder

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


def latency(teacher: Encoder, student: str) -> Latency:
    """The two take turns, so that what else this machine does burdens both."""
    if not export_student(teacher):
        raise DistillError(f"teacher {teacher.name}: cannot be exported, so its speed is not known")
    sides = (load_student(teacher.name, revision=teacher.revision), load_student(student))
    for side in sides:
        side.encode_queries(PROBES)
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(_ROUNDS):
        for kept, side in zip(times, sides, strict=True):
            kept += _milliseconds(side, PROBES)
    return Latency(*(median(kept) for kept in times))


def _milliseconds(encoder: Encoder, queries: Sequence[str]) -> list[float]:
    found = []
    for query in queries:
        start = time.perf_counter()
        encoder.encode_queries([query])
        found.append((time.perf_counter() - start) * 1e3)
    return found
