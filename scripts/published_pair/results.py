"""What a run has found so far, in a file that the next run goes on from."""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from leafsearch.config import LeafError, Storage
from leafsearch.config.text import counted
from leafsearch.evaluation import Format, Judged, TestCollection
from leafsearch.evaluation.cached_rows import Milliseconds
from leafsearch.evaluation.trial import Sizes

_VERSION = 1  # of the file
_PACKAGES = ("leafsearch", "numpy", "onnxruntime", "pymongo", "sentence-transformers", "torch")


class MeasureError(LeafError):
    """The pair cannot be measured here; the message says what to do."""


@dataclass(frozen=True)
class Names:
    """Names of the two models."""

    teacher: str
    student: str


@dataclass(frozen=True)
class Place:
    """Where the vectors were searched."""

    server: str
    database: str


@dataclass
class Results:
    """`pair` is about the models, `ingested` about the sample that went the whole way."""

    file: Path
    about: Mapping[str, Any]
    pair: dict[str, Any] = field(default_factory=dict)
    ingested: dict[str, Any] = field(default_factory=dict)
    rows: list[Judged] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def names(self) -> Names:
        return Names(**self.about["models"])

    @property
    def database(self) -> str:
        return str(self.about["place"]["database"])

    def save(self) -> None:
        """Replace the file atomically, so that a kill leaves a whole one."""
        document = {
            "version": _VERSION,
            **self.about,
            "pair": self.pair,
            "ingested": self.ingested,
            "rows": [asdict(row) for row in self.rows],
            "left_out": self.left_out,
        }
        written = self.file.with_name(f"{self.file.name}.part")
        written.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        os.replace(written, self.file)


def open_results(
    file: Path,
    names: Names,
    test: TestCollection,
    place: Place,
    *,
    restart: bool,
    say: Callable[[str], None],
) -> Results:
    """Results of an earlier run of the same measurement, or new ones.

    Raises MeasureError for a file of something else, before anything is measured.
    """
    about = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": _machine(),
        "versions": {"python": platform.python_version(), **_versions()},
        "models": asdict(names),
        "collection": _described(test),
        "place": asdict(place),
    }
    found = Results(file, about)
    if not file.parent.is_dir():
        raise MeasureError(f"{file}: no such folder; expected one for --results")
    if file.exists() and not restart:
        found = _read(file, about)
        say(f"{file} has {counted(len(found.rows), 'row')} of an earlier run; they are kept")
    return found


def _read(file: Path, about: Mapping[str, Any]) -> Results:
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        earlier = {name: stored[name] for name in about}
        rows = [_row(each) for each in stored["rows"]]
        known = stored["version"], stored["pair"], stored["ingested"], stored["left_out"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MeasureError(
            f"{file} is no file of results ({error}); name another with --results, or replace it "
            "with --restart"
        ) from error
    # A run may end on another day; all else must be as it was.
    differing = [n for n in about if n != "date" and earlier[n] != about[n]]
    if known[0] != _VERSION or differing:
        what = "; ".join(f"{n} was {earlier[n]}, is {about[n]}" for n in differing) or "version"
        raise MeasureError(
            f"{file} has results of another measurement ({what}); name another file with "
            "--results, or replace it with --restart"
        )
    return Results(file, earlier, known[1], known[2], rows, known[3])


def _row(document: Mapping[str, Any]) -> Judged:
    format = document["format"]
    return Judged(
        **{
            **document,
            "format": Format(**{**format, "storage": Storage(**format["storage"])}),
            "sizes": Sizes(**document["sizes"]),
            "latency": Milliseconds(**document["latency"]),
        }
    )


def _described(test: TestCollection) -> dict[str, Any]:
    texts = hashlib.sha256()
    for passage in test.passages:
        texts.update(json.dumps([passage.id, passage.encoded]).encode())
    for id, query in test.queries.items():
        texts.update(json.dumps([id, query, test.judgments[id]]).encode())
    return {
        "name": test.name,
        "documents": len(test.passages),
        "queries": len(test.queries),
        "sha256": texts.hexdigest(),
    }


def _machine() -> dict[str, Any]:
    return {"processor": _processor(), "cores": _cores(), "gpu": _gpu()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpu() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
