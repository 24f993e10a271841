"""One deployment for the tests that leave it as it was, and short folders for the others."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from leafmongo import LocalDeployment, LocalError
from leafmongo.deployment.mongod_binary import find_mongod
from mongotests.folders import short_folder
from mongotests.searching import Documents


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tests do not depend on the settings of this shell or this folder."""
    for name in list(os.environ):
        if name.startswith(("LEAF_", "MONGODB_")) and name != "LEAF_MONGOD":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def _mongod() -> None:
    try:
        find_mongod()
    except LocalError as error:
        pytest.skip(f"needs a mongod: {error}")


@pytest.fixture(scope="session")
def deployment() -> Iterator[LocalDeployment]:
    """A running deployment, which no test stops."""
    with short_folder() as folder, LocalDeployment(folder / "shared") as deployment:
        yield deployment


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for a deployment of the test's own, which is stopped afterwards."""
    with short_folder() as folder:
        yield folder
        for home in folder.iterdir():
            if (home / "data").is_dir():
                LocalDeployment(home).stop()


@pytest.fixture(scope="session")
def client(deployment: LocalDeployment) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](deployment.uri) as client:
        yield client


@pytest.fixture
def documents(client: MongoClient[dict[str, Any]]) -> Iterator[Documents]:
    """An empty collection in a new database."""
    name = f"t{secrets.token_hex(5)}"
    yield client[name].create_collection("documents")
    client.drop_database(name)
