"""What a student costs on this machine: the time of a query, the bytes of its files."""

import time
from pathlib import Path
from statistics import median

from leafsearch.vectors.encoders.alignment import PROBES
from leafsearch.vectors.encoders.base import Encoder, is_remote
from leafsearch.vectors.encoders.model_files import ModelFiles
from leafsearch.vectors.encoders.onnx.student import student_folder

_WARM_UP, _ROUNDS, _SECONDS = 3, 50, 2.0


def measure_milliseconds(student: Encoder) -> float:
    """Median time of one query, one after the other."""
    taken: list[float] = []
    begun = time.perf_counter()
    for turn in range(_WARM_UP + _ROUNDS):
        start = time.perf_counter()
        student.encode_queries([PROBES[turn % len(PROBES)]])
        taken.append(time.perf_counter() - start)
        if turn > _WARM_UP and time.perf_counter() - begun > _SECONDS:
            break
    return round(median(taken[_WARM_UP:]) * 1000, 4)


def measure_megabytes(student: Encoder) -> float | None:
    """Sum the files that a search reads; None if the model has none on this machine."""
    if student.name.startswith("hashing:") or is_remote(student.name):
        return None
    folder = student_folder(student.name, student.revision)
    if not folder.is_dir():
        files = ModelFiles.find(student.name, revision=student.revision)
        beside = files.path("modules.json") or files.require("config.json")
        folder = Path(beside).parent
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return round(sum(sizes) / 1e6, 2)
