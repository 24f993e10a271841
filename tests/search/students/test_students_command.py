import json
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.ingest import Document
from leafsearch.vectors.encoders import PROBES
from leafsearch.vectors.store import read_manifest

Run = Callable[..., CompletedProcess[str]]
SAME = "hashing:128"  # the teacher


@pytest.fixture
def students(run: Run, mongodb_uri: str, made: Any, database: Database[Any]) -> Run:
    """The command on a small collection with hashed vectors."""
    made([Document(str(n), probe) for n, probe in enumerate(PROBES)])

    def command(*args: object, **environ: str) -> CompletedProcess[str]:
        where = ("--uri", mongodb_uri, "--database", database.name, "--collection", "c")
        return run("leaf-search", *args, *where, **environ)

    return command


def test_students_are_added_chosen_listed_and_removed(
    students: Run, database: Database[Any]
) -> None:
    added = students("students", "add", "fast", SAME, "--candidates", "3")
    chosen = students("students", "default", "fast")
    listed = students("students", "--json")
    shown = students("students")

    assert (added.returncode, chosen.returncode, listed.returncode) == (0, 0, 0)
    assert "leaf-search: added fast: mean cosine 1.00, " in added.stderr
    fast, default = map(json.loads, listed.stdout.splitlines())
    assert fast.pop("milliseconds") > 0
    assert fast == {
        "name": "fast",
        "is_default": True,
        "model": SAME,
        "cosine": 1.0,
        "megabytes": None,
        "kept": None,
        "candidates": 3.0,
    }
    assert (default["name"], default["is_default"], default["milliseconds"]) == (
        "default",
        False,
        None,
    )
    assert "fast (default)" in shown.stdout
    assert "--student teacher encodes with the teacher, hashing:128" in shown.stdout

    assert students("students", "remove", "default").returncode == 0
    assert list(read_manifest(database, "c").students) == ["fast"]
    assert students("oak", "--student", "fast").returncode == 0


def test_what_a_student_keeps_is_measured_on_request(
    students: Run, database: Database[Any]
) -> None:
    ended = students("students", "add", "same", SAME, "--kept")

    assert ended.returncode == 0
    assert "100% of the teacher's quality kept" in ended.stderr
    assert read_manifest(database, "c").students["same"].facts.kept == 1.0


def test_the_factor_of_candidates_can_be_changed(students: Run, database: Database[Any]) -> None:
    assert students("students", "candidates", "default", "6").returncode == 0
    assert read_manifest(database, "c").candidates_factor("default") == 6.0


def test_a_student_may_be_the_default_at_once(students: Run, database: Database[Any]) -> None:
    ended = students("students", "add", "fast", SAME, "--default")

    assert (ended.returncode, read_manifest(database, "c").default_name) == (0, "fast")


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["add", "default", SAME], 2, "student default is there already, hashing:128"),
        (["add", "teacher", SAME], 2, "always means the teacher itself"),
        (["add", "a.b", SAME], 2, "expected a name of letters, digits"),
        (["add", "x", SAME, "--candidates", "0.5"], 2, "expected a factor from 1 to 100"),
        (["add", "x", "hashing:64"], 1, "gives 64 dimensions, teacher hashing:128 128; expected"),
        (["add", "x", "./nowhere"], 1, "model ./nowhere"),
        (["add", "x"], 2, "Missing argument 'MODEL'"),
        (["remove", "default"], 2, "student default is the default of"),
        (["remove", "defualt"], 2, "expected one of default; did you mean default?"),
        (["default", "defualt"], 2, "expected one of default; did you mean default?"),
        (["default", "teacher"], 2, "the teacher is always there, but is no student"),
        (["candidates", "default", "0"], 2, "expected a factor from 1 to 100"),
        (["candidates", "x", "2"], 2, "expected one of default"),
        (["ad"], 2, "'ad': expected one of add, remove, default, candidates; did you mean add?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_gets_a_line_and_changes_nothing(
    students: Run, database: Database[Any], words: list[str], code: int, expected: str
) -> None:
    before = read_manifest(database, "c")

    ended = students("students", *words)

    assert (ended.returncode, ended.stdout) == (code, "")
    assert expected in ended.stderr
    assert "Traceback" not in ended.stderr
    assert read_manifest(database, "c") == before


def test_a_collection_that_is_not_there_has_no_students(run: Run, mongodb_uri: str) -> None:
    ended = run("leaf-search", "students", "--uri", mongodb_uri, "--collection", "nowhere")

    assert ended.returncode == 1
    assert "has no manifest" in ended.stderr


def test_an_unknown_student_of_a_query_brings_the_nearest(students: Run) -> None:
    ended = students("oak", "--student", "teachr")

    assert ended.returncode == 2
    assert "expected one of default, teacher; did you mean teacher. `leaf-search" in ended.stderr
