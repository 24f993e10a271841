"""Settings of `leaf-mongo` in the environment and in `.env`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from leafmongo import LocalDeployment, LocalError
from leafmongo.deployment.mongod_binary import find_mongod
from leafmongo.deployment.paths import default_home, variable
from mongotests.paths import ROOT


def write(**variables: object) -> None:
    Path(".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))


def test_environment_beats_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert variable("LEAF_HOME") is None

    write(LEAF_HOME="~/of-the-file")
    assert default_home() == Path.home() / "of-the-file"
    monkeypatch.setenv("LEAF_HOME", "")
    assert variable("LEAF_HOME") == "~/of-the-file"
    monkeypatch.setenv("LEAF_HOME", "/of/the/environment")
    assert default_home() == Path("/of/the/environment")


def test_unreadable_env_file_is_one_line() -> None:
    Path(".env").write_bytes(b"LEAF_HOME=\xff\n")

    with pytest.raises(LocalError, match=r"\.env: cannot be read"):
        variable("LEAF_HOME")


def leaf_mongo(*arguments: str) -> Any:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LEAF_")}
    return subprocess.run(
        [sys.executable, "-m", "leafmongo", *arguments],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_leaf_mongo_takes_home_and_mongod_from_the_file(folder: Path) -> None:
    write(LEAF_HOME=folder / "home", LEAF_MONGOD="bin/mongod")
    Path("bin").mkdir()
    Path("bin/mongod").symlink_to(find_mongod_elsewhere())

    started = leaf_mongo("start")

    assert started.returncode == 0, started.stderr
    status = json.loads(leaf_mongo("status", "--json").stdout)
    assert status["home"] == str(folder / "home")
    assert status["mongod"] == str(Path("bin/mongod").absolute())
    assert json.loads(leaf_mongo("stop", "--json").stdout) == {"stopped": True}


def find_mongod_elsewhere() -> Path:
    """The mongod of the tests, regardless of `.env`."""
    moved = Path(".env").rename("env")
    found = find_mongod()
    moved.rename(".env")
    return found


def test_gateway_takes_its_upstream_from_the_file() -> None:
    assert leaf_mongo("gateway").returncode == 2

    write(LEAF_UPSTREAM="mongodb://nobody.invalid:1:2/")
    refused = leaf_mongo("gateway", "--home", "gateway")
    assert refused.returncode == 1
    assert "--upstream: " in refused.stderr


def test_deployment_runs_the_mongod_of_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEAF_MONGOD", raising=False)
    write(LEAF_MONGOD="/nowhere/mongod")

    with pytest.raises(LocalError, match="LEAF_MONGOD=/nowhere/mongod"):
        LocalDeployment(folder / "home").start()
    assert not LocalDeployment(folder / "home").status().running
