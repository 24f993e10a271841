"""Repeated timing, its spread, and the machine it ran on, for every benchmark."""

import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

UNCOUNTED = 3  # runs before the ones that are measured


@dataclass(frozen=True)
class Spread:
    """Repeated figures: their median, and their quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> "Spread":
        if len(figures) == 1:
            return cls(*figures * 3)
        low, median, high = statistics.quantiles(figures, n=4, method="inclusive")
        return cls(median, low, high)

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"


def timed(action: Callable[[], Any]) -> float:
    """Seconds."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def repeated(action: Callable[[], Any], times: int) -> Spread:
    """Milliseconds."""
    for _ in range(UNCOUNTED):
        action()
    return Spread.of([timed(action) * 1e3 for _ in range(times)])


@contextmanager
def preferred(processes: Iterable[int]) -> Iterator[None]:
    """What these do now comes before all other work on the machine; takes root."""
    threads = [int(task.name) for pid in processes for task in Path(f"/proc/{pid}/task").iterdir()]
    try:
        _schedule(threads, os.SCHED_RR, 1)
        yield
    finally:
        _schedule(threads, os.SCHED_OTHER, 0)


def _schedule(threads: Iterable[int], policy: int, priority: int) -> None:
    for thread in threads:
        with suppress(ProcessLookupError):
            os.sched_setscheduler(thread, policy, os.sched_param(priority))


def circumstances(*packages: str) -> dict[str, Any]:
    """For the JSON: a figure without its machine and command says nothing."""
    script, arguments = Path(sys.argv[0]), sys.argv[1:]
    return {
        "command": shlex.join(["python", "-m", f"benchmarks.{script.stem}", *arguments]),
        "date": time.strftime("%Y-%m-%d"),
        "machine": {
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(_memory_bytes() / 2**30, 1),
            "load_before": round(os.getloadavg()[0], 2),
        },
        "versions": {"python": platform.python_version(), **_versions(packages)},
    }


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
