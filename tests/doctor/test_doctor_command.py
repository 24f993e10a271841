"""`leaf-search doctor` as a user runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.doctor.run import CHECKS
from leaftests.doctor import Foreign, Ingested, change, float32
from leaftests.paths import ROOT

Doctor = Callable[..., CompletedProcess[str]]


@pytest.fixture
def doctor(run: Doctor, mongodb_uri: str, database: Database[Any]) -> Doctor:
    where = ("--uri", mongodb_uri, "--database", database.name, "--collection", "c")

    def ran(*args: str) -> CompletedProcess[str]:
        return run("leaf-search", "doctor", *where, *args, COLUMNS="80")

    return ran


def test_a_line_for_each_check_and_exit_code_0(ingested: Ingested, doctor: Doctor) -> None:
    ingested()

    ended = doctor()

    *lines, summary = ended.stdout.splitlines()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [line[:9] for line in lines] == ["OK       "] * len(CHECKS)
    assert [line[9:28].strip() for line in lines] == list(CHECKS)
    assert summary == f"{len(CHECKS)} checks: all is well"


def test_a_problem_is_exit_code_1(ingested: Ingested, doctor: Doctor) -> None:
    change(ingested(), "embedding", float32([0.6, 0.8]))

    ended = doctor()

    assert ended.returncode == 1
    assert "problem  vector dimensions  3 of 60 vectors have 2 dimensions" in ended.stdout
    assert ended.stdout.splitlines()[-1] == f"{len(CHECKS)} checks: 2 problems"


def test_a_warning_is_exit_code_0(foreign: Foreign, doctor: Doctor) -> None:
    foreign(stored=lambda row: row.tolist())

    ended = doctor("--path", "v", "--index", "theirs")

    assert ended.returncode == 0
    assert ended.stdout.splitlines()[-1].endswith("1 warning, 5 skipped")


def test_json_is_one_finding_a_line(foreign: Foreign, doctor: Doctor) -> None:
    foreign(filters=["n"])
    options = ("--text-field", "body", "--teacher", "hashing:64", "--student", "hashing:64")

    ended = doctor("--path", "v", *options, "--json")

    findings = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [finding["check"] for finding in findings] == list(CHECKS)
    assert {frozenset(f) for f in findings} == {frozenset(("check", "level", "message", "numbers"))}
    assert {f["check"]: f["level"] for f in findings if f["level"] != "ok"} == {
        "manifest": "skipped"
    }
    (recall,) = [finding for finding in findings if finding["check"] == "recall"]
    assert recall["numbers"] == {"recall": 1.0, "num_candidates": 200, "enough": 20}


@pytest.mark.parametrize("wrong", [("--num-candidates", "5"), ("--sample", "0"), ("question",)])
def test_wrong_usage_is_exit_code_2(doctor: Doctor, wrong: tuple[str, ...]) -> None:
    assert doctor(*wrong).returncode == 2


def test_a_setting_that_cannot_be_is_one_line(doctor: Doctor) -> None:
    ended = doctor("--teacher", "hashing:64")

    assert ended.returncode == 2
    assert "--teacher: teacher hashing:64 has no student; expected --student" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_machine_that_only_searches_skips_the_teacher(
    ingested: Ingested,
    mongodb_uri: str,
    database: Database[Any],
    stranger: str,
    core_only: Path,
    tmp_path: Path,
) -> None:
    ingested(teacher=stranger)
    own = tmp_path / "leafsearch-0.dist-info"  # a connection tells the server its version
    own.mkdir()
    (own / "METADATA").write_text("Name: leafsearch\nVersion: 0\n")

    where = ("--uri", mongodb_uri, "--database", database.name, "--collection", "c")
    ended = subprocess.run(
        [sys.executable, "-S", "-m", "leafsearch.search", "doctor", *where],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{core_only}:{tmp_path}"},
        capture_output=True,
        text=True,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "skipped  teacher" in ended.stdout
    assert "install the extra [ingest]" in ended.stdout
    assert "OK       student" in ended.stdout
    assert ended.stdout.splitlines()[-1].endswith("1 skipped")
