"""`leaf-mongo`: data on stdout, messages on stderr, exit codes."""

import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from pymongo import MongoClient
from typer.testing import CliRunner

from leafmongo import LocalDeployment
from leafmongo.__main__ import app
from leafmongo.deployment.status import IndexState, Status, format_status
from mongotests.command import leaf_mongo
from mongotests.paths import ROOT
from mongotests.searching import wait_for


def test_start_status_and_stop(folder: Path) -> None:
    home = ("--home", folder / "home")

    assert json.loads(leaf_mongo("status", *home, "--json").stdout)["running"] is False
    started = leaf_mongo("start", *home)
    stop = f"started; `leaf-mongo stop --home {folder / 'home'}` stops it"
    assert (started.exit_code, stop in started.stderr) == (0, True)
    again = leaf_mongo("start", *home, "--json")
    assert json.loads(again.stdout) == {"started": False, "uri": started.stdout.strip()}
    assert leaf_mongo("uri", *home).stdout == started.stdout
    status = json.loads(leaf_mongo("status", *home, "--json").stdout)
    assert status["running"] is True
    assert status["uri"] == started.stdout.strip()
    assert status["indexes"] == []
    assert "running in" in leaf_mongo("status", *home).stdout
    assert json.loads(leaf_mongo("stop", *home, "--json").stdout) == {"stopped": True}
    assert json.loads(leaf_mongo("stop", *home, "--json").stdout) == {"stopped": False}


def test_run_ends_at_an_interrupt(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-m", "leafmongo", "run", "--home", folder / "home"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        uri = process.stdout.readline().strip()
        with MongoClient(uri) as client:
            assert client.admin.command("ping")["ok"] == 1
        assert LocalDeployment(folder / "home").start() is False

        process.send_signal(signal.SIGINT)

        assert process.wait(30) == 0
    wait_for(lambda: not LocalDeployment(folder / "home").status().running)


def test_failures_are_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    failed = leaf_mongo("start", "--home", file)

    assert failed.exit_code == 1
    assert failed.stdout == ""
    assert len(failed.stderr.splitlines()) == 1
    assert str(file) in failed.stderr


@pytest.mark.parametrize("arguments", [["begin"], ["start", "--nothing"], []])
def test_usage_errors_exit_2(arguments: list[str]) -> None:
    assert leaf_mongo(*arguments).exit_code == 2


def test_home_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAF_HOME", str(tmp_path / "elsewhere"))

    assert json.loads(leaf_mongo("status", "--json").stdout)["home"] == str(tmp_path / "elsewhere")


def test_control_characters_in_index_names_are_replaced() -> None:
    name = "a\x1b]0;owned\x07\x9b2J\r"
    state = IndexState(name, name, name, name, name, True, 1, 1, 1, {name: 1}, name)
    status = Status(running=True, home="h", data="d", uri="u", indexes=[state])

    shown = format_status(status)

    assert all(sign.isprintable() or sign == "\n" for sign in shown)
    assert "a\ufffd]0;owned" in shown


@pytest.mark.parametrize(
    ("typed", "environ", "expected"),
    [
        (["--version"], {}, f"leaf-mongo {version('leafmongo')}\n"),
        ([], {"COMP_WORDS": "leaf-mongo sta", "COMP_CWORD": "1"}, "start\nstatus\n"),
    ],
)
def test_it_shows_its_version_and_completes_words(
    typed: list[str], environ: dict[str, str], expected: str
) -> None:
    asked = {"_LEAF_MONGO_COMPLETE": "complete_bash", **environ} if environ else {}

    shown = CliRunner().invoke(app, typed, prog_name="leaf-mongo", env=asked)

    assert (shown.exit_code, shown.output) == (0, expected)
