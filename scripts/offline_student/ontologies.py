"""Open ontologies of medicine, anatomy, cells and chemistry."""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from offline_student.fetch import Downloads, SourceMissing
from offline_student.material import Material, Origin, Term

PACKAGE = "cellxgene-ontology-guide==1.11.1"
NOTES = re.compile(r"</?\w+>|\s*\[[^\[\]]*\]$")  # tags inside of formulas; who says so
FOLDER = "cellxgene_ontology_guide/data"
ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"


@dataclass(frozen=True)
class Ontology:
    name: str
    licence: str
    domain: str

    def gather(self, downloads: Downloads) -> Material:
        unpacked = downloads.wheel(PACKAGE)
        path = max((unpacked.root / FOLDER).glob(f"{self.name}-ontology-*.json.zst"))
        version = path.name.removesuffix(".json.zst").partition("-ontology-")[2]
        package = f"{self.name} in {unpacked.package} {unpacked.version}"
        return self.material(unzstd(path), Origin(package, version, self.licence))

    def material(self, content: bytes, origin: Origin) -> Material:
        gathered = Material([origin])
        for entry in json.loads(content).values():
            if entry["label"] and not entry["deprecated"]:
                names = without_repetition([entry["label"], *entry.get("synonyms", [])])
                gathered.texts += texts(names, NOTES.sub("", entry.get("description", "")))
                gathered.terms += [Term(name, self.domain) for name in names[:3]]
        return gathered


def without_repetition(names: Iterable[str]) -> list[str]:
    """The first of those that differ in capitals only."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(name.casefold(), NOTES.sub("", name))
    return list(first.values())


def texts(names: list[str], description: str) -> Iterator[str]:
    if description:
        yield f"{names[0]}: {description}"
        yield description
    if len(names) > 1:
        yield ", ".join(names[:4])


def unzstd(path: Path) -> bytes:
    try:
        zstd: Any = import_module(ZSTD)
    except ModuleNotFoundError as error:
        raise SourceMissing(f"{path.name}: {ZSTD} is not installed (extra [formats])") from error
    content: bytes = zstd.decompress(path.read_bytes())
    return content
