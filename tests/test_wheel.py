"""The wheels, beside a user's own `config.py`, `search.py`, `local/` and `vectors/`."""

import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from leaftests.paths import ROOT

Python = Callable[..., "subprocess.CompletedProcess[str]"]

OWN = {
    "config.py": "OURS = 'config'\n",
    "search.py": "OURS = 'search'\n",
    "ingest.py": "OURS = 'ingest'\n",
    "local/__init__.py": "OURS = 'local'\n",
    "vectors/__init__.py": "OURS = 'vectors'\n",
    "distill/__init__.py": "OURS = 'distill'\n",
}
USES_BOTH = """
import config, distill, ingest, local, search, vectors
assert [m.OURS for m in (config, distill, ingest, local, search, vectors)] == [
    "config", "distill", "ingest", "local", "search", "vectors"
]
from leafsearch import AsyncSearcher, Searcher, Settings, __version__
from leafsearch.ingest import ingest as write
from leafsearch.search import search as find
from leafsearch.vectors import load_student
student = load_student("package:vectors/offline")  # as version 0.1 called it
assert student.encode_queries(["oak"]).shape == (1, student.dimensions)
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheels of leafsearch and leafmongo, by name."""
    folder = tmp_path_factory.mktemp("wheel")
    for project in (ROOT, ROOT / "leafmongo"):
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
            cwd=project,
            check=True,
            capture_output=True,
        )
    return {made.name.partition("-")[0]: made for made in folder.glob("*.whl")}


@pytest.fixture(scope="module")
def installed(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheels, and sees what they depend on.

    The dependencies are those of this environment, whose editable packages stay hidden: a path of a
    .pth file is not searched for other .pth files.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for wheel in wheels.values():
        with zipfile.ZipFile(wheel) as opened:
            opened.extractall(packages)
    (own,) = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "dependencies.pth").write_text(own + "\n")
    return folder / "bin" / "python"


@pytest.fixture
def python(installed: Path, tmp_path: Path) -> Python:
    """Runs it in a folder with modules of the user's own."""
    for name, text in OWN.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LEAF_"))}
    environ |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "LEAF_HOME": str(tmp_path / "home")}

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [installed, *map(str, arguments)],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize("name", ["leafsearch", "leafmongo"])
def test_each_holds_one_import_name(wheels: dict[str, Path], name: str) -> None:
    with zipfile.ZipFile(wheels[name]) as opened:
        names = opened.namelist()

    assert {each.partition("/")[0].partition("-")[0] for each in names} == {name}
    assert f"{name}/py.typed" in names


def test_a_script_uses_it_beside_modules_of_the_same_names(python: Python, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(USES_BOTH)

    ended = python("main.py")

    assert ended.returncode == 0, ended.stderr


def test_so_does_a_test_with_the_fixtures_of_the_plugin(python: Python, tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        f"def test_own(leaf_mongodb):\n    exec({USES_BOTH!r})\n"
        "    leaf_mongodb.c.insert_one({'_id': 1})\n"
        "    assert leaf_mongodb.c.count_documents({}) == 1\n"
    )

    ended = python("-m", "pytest", "-q", "-p", "no:langsmith_plugin", "-p", "no:cacheprovider")

    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "module", ["leafsearch.search", "leafsearch.ingest", "leafsearch.distill", "leafmongo"]
)
def test_so_do_the_commands(python: Python, module: str) -> None:
    ended = python("-m", module, "--help")

    assert ended.returncode == 0, ended.stderr
    assert "Usage:" in ended.stdout


def test_nothing_of_ours_has_a_name_that_others_use(installed: Path) -> None:
    script = (
        "from importlib.util import find_spec\n"
        "print([n for n in ('config', 'vectors', 'ingest', 'search', 'local', 'distill')"
        " if find_spec(n)])"
    )
    for interpreter in (installed, sys.executable):
        ended = subprocess.run(
            [interpreter, "-I", "-c", script], capture_output=True, text=True, check=True
        )
        assert ended.stdout == "[]\n"


def test_the_import_itself_is_cheap(installed: Path) -> None:
    script = "import sys, leafsearch; print([m for m in ('numpy', 'pymongo') if m in sys.modules])"

    ended = subprocess.run(
        [installed, "-I", "-c", script], capture_output=True, text=True, check=True
    )

    assert ended.stdout == "[]\n"
