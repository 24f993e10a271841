"""The rules of the house: what is declared, what the wheel holds. For imports: import-linter."""

import ast
import functools
import re
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from leaftests.order import LONGEST, path_of

ROOT = Path(__file__).parent.parent
PACKAGES = (
    *("config", "vectors", "ingest", "search", "doctor", "evaluation", "distill", "commands"),
)
MONGO = ROOT / "leafmongo" / "leafmongo"
# What needs the extra [ingest], imported only where it is called for.
TEACHERS = {
    *(path.relative_to(ROOT).as_posix() for path in (ROOT / "vectors/encoders/torch").glob("*.py")),
    "vectors/encoders/onnx/export.py",
    "search/rerank.py",
}
# What needs the extra [eval], imported only for pictures.
PICTURES = {"evaluation/labels.py", "evaluation/pictures.py"}
# What needs the extra [formats], imported only for files of such a format.
FORMATS = {
    path.relative_to(ROOT).as_posix() for path in (ROOT / "ingest/sources/readers").rglob("*.py")
}
# What needs the extra [ray], imported only to run a pipeline there.
ON_RAY = {"ingest/on_ray/pipeline.py", "ingest/on_ray/stages.py"}
# The one place that knows leafmongo.
SEAM = "vectors/store/deployment.py"
# Imported by pytest alone, which is therefore there.
PLUGIN = MONGO / "pytest_plugin.py"


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


@functools.cache
def imported(path: Path) -> set[str]:
    """Top-level names of every import in a file, wherever in it they stand; of ours the package."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {_package(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "leafsearch":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(_package(node.module))
    return names


def _package(module: str) -> str:
    return module.removeprefix("leafsearch.").partition(".")[0]


@pytest.mark.parametrize("path", sorted(MONGO.rglob("*.py")), ids=lambda path: path.name)
def test_leafmongo_imports_nothing_of_ours_and_what_it_declares(path: Path) -> None:
    project = tomllib.loads((MONGO.parent / "pyproject.toml").read_text())["project"]
    known = {plain(requirement) for requirement in project["dependencies"]} | {"leafmongo"}
    known |= {"pytest"} if path == PLUGIN else set()

    foreign = imported(path) - set(sys.stdlib_module_names)

    assert not foreign & {*PACKAGES, "leafsearch"}
    foreign -= {"leafmongo"}
    assert {m for m in foreign if not {plain(n) for n in providers()[m]} & known} == set()


@functools.cache
def providers() -> Mapping[str, list[str]]:
    """Distributions by the modules they bring; looking is slow."""
    return packages_distributions()


def plain(requirement: str) -> str:
    return Requirement(requirement).name.lower().replace("_", "-")


@functools.cache
def declared(extra: str | None = None) -> frozenset[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return frozenset(plain(requirement) for requirement in listed)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_imported_module_is_declared(path: Path) -> None:
    known = declared()
    if path.relative_to(ROOT).as_posix() in TEACHERS or path.is_relative_to(ROOT / "distill"):
        known |= declared("ingest")
    if path.relative_to(ROOT).as_posix() in ON_RAY:
        known |= declared("ray")
    if path.relative_to(ROOT).as_posix() in PICTURES:
        known |= declared("eval")
    if path.relative_to(ROOT).as_posix() in FORMATS:
        known |= declared("formats")
    foreign = imported(path) - set(PACKAGES) - set(sys.stdlib_module_names)
    if path.relative_to(ROOT).as_posix() == SEAM:
        foreign -= {"leafmongo"}

    missing = {
        module: providers()[module]
        for module in foreign
        if not {plain(name) for name in providers()[module]} & known
    }

    assert missing == {}


def test_every_declared_package_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    mongo = tomllib.loads((MONGO.parent / "pyproject.toml").read_text())["project"]
    pinned = {
        plain(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    wanted = declared().union(
        *(declared(extra) for extra in project["project"]["optional-dependencies"]),
        *(
            {plain(entry) for entry in group if isinstance(entry, str)}
            for group in project["dependency-groups"].values()
        ),
        map(plain, project["build-system"]["requires"]),
        map(plain, mongo["dependencies"]),
    )

    assert wanted - pinned == {"leafmongo"}  # which comes from its folder


@pytest.mark.parametrize("name", PACKAGES)
def test_a_link_leads_to_each_package(name: str) -> None:
    assert (ROOT / "src" / "leafsearch" / name).readlink() == Path("../..") / name
    assert (ROOT / name / "py.typed").is_file()


def test_tests_import_what_is_installed_and_not_what_lies_beside_them(
    pytestconfig: pytest.Config,
) -> None:
    assert pytestconfig.getoption("importmode") == "importlib"


def test_the_map_of_the_house_names_what_there_is() -> None:
    text = (ROOT / "docs/design.md").read_text()
    named = re.findall(rf"`((?:{'|'.join(PACKAGES)})/[\w/]+?)/?(?:\.py)?`", text)

    there = [n for n in named if (ROOT / n).is_dir() or (ROOT / f"{n}.py").is_file()]
    assert len(named) > 30
    assert there == named


def test_the_files_that_are_begun_first_are_there() -> None:
    assert [name for name in LONGEST if not path_of(name).is_file()] == []
