"""Without MONGODB_URI: the local deployment is used by itself, by the commands and by search()."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from leafmongo import LocalDeployment

Run = Callable[..., CompletedProcess[str]]
HASHED = {"LEAF_TEACHER": "hashing:64", "LEAF_STUDENT": "hashing:64", "LEAF_STORAGE": "full"}
PROGRAM = """
from leafsearch.search import search
from leafsearch.vectors import ManifestError
print([hit.document for hit in search("oak", k=1)], end=" ")
print([hit.document for hit in search("sea", k=1, collection="chunks", database="leaf")])
try:
    search("sea", collection="others")
except ManifestError as error:
    print(error)
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    LocalDeployment(tmp_path / "home").stop()


@pytest.fixture
def run(home: Path) -> Run:
    """With an interpreter of its own, as a user starts it."""

    def started(module: str, *args: str, input: str = "", **environ: str) -> CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *args],
            env={**os.environ, "LEAF_HOME": str(home), **environ},
            input=input,
            capture_output=True,
            text=True,
        )

    return started


def test_ingest_start_it_search_finds_it_running(run: Run, home: Path) -> None:
    records = "".join(
        json.dumps({"id": i, "text": t}) + "\n" for i, t in [("trees", "ash oak"), ("water", "sea")]
    )

    written = run("leafsearch.ingest", "-", input=records, **HASHED)
    found = run("leafsearch.search", "oak", "-k", "1", "--json")
    called = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "LEAF_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )

    (line,) = written.stderr.splitlines()
    assert f"using the local MongoDB in {home} (started" in line
    assert found.stderr == ""
    assert json.loads(found.stdout)["document"] == "trees"
    first, second = called.stdout.splitlines()
    assert first == "['trees'] ['water']"
    assert "collection leaf.others has no manifest" in second
    assert "`leaf-ingest PATH --collection others`" in second


def test_after_a_stop_everything_is_still_there(run: Run, home: Path) -> None:
    run("leafsearch.ingest", "-", input='{"id": "trees", "text": "ash oak"}\n', **HASHED)
    LocalDeployment(home).stop()

    found = run("leafsearch.search", "oak", "--json")

    assert "(started" in found.stderr
    assert json.loads(found.stdout)["document"] == "trees"


def test_search_goes_on_after_the_collection_was_made_with_other_models(
    run: Run, home: Path
) -> None:
    records = '{"id": "trees", "text": "ash oak"}\n{"id": "water", "text": "sea"}\n'
    run("leafsearch.ingest", "-", input=records, **HASHED)
    again = {**HASHED, "LEAF_TEACHER": "hashing:128", "LEAF_STUDENT": "hashing:128"}
    program = """
import subprocess, sys
from leafsearch.search import search
from leafsearch.vectors import connect
from leafmongo import LocalDeployment
print([hit.document for hit in search("oak", k=1)])
with connect(LocalDeployment(sys.argv[1]).uri) as client:
    client["leaf"]["chunks"].drop()
command = [sys.executable, "-m", "leafsearch.ingest", "-"]
ended = subprocess.run(command, input=sys.argv[2], text=True, env=eval(sys.argv[3]))
print([hit.document for hit in search("oak", k=1)], [hit.document for hit in search("sea", k=1)])
"""
    environ = {**os.environ, "LEAF_HOME": str(home)}

    called = subprocess.run(
        [sys.executable, "-c", program, str(home), records, repr({**environ, **again})],
        env=environ,
        capture_output=True,
        text=True,
    )

    assert called.returncode == 0, called.stderr
    first, second = [line for line in called.stdout.splitlines() if line.startswith("[")]
    assert (first, second) == ("['trees']", "['trees'] ['water']")
