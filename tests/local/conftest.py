"""One deployment for the tests that leave it as it was, and small folders for those that do not."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from leafsearch.local import LocalDeployment, LocalError
from leafsearch.local.binary import find_mongod
from leaftests.local.folders import short_folder
from leaftests.local.searching import Documents


@pytest.fixture(scope="session", autouse=True)
def _mongod() -> None:
    try:
        find_mongod()
    except LocalError as error:
        pytest.skip(f"needs the extra [local]: {error}")


@pytest.fixture(scope="session")
def deployment() -> Iterator[LocalDeployment]:
    """Running; no test stops it."""
    with short_folder() as folder, LocalDeployment(folder / "shared") as deployment:
        yield deployment


@pytest.fixture
def folder() -> Iterator[Path]:
    """For a deployment of the test's own; whatever still runs in it afterwards is ended."""
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
    """An empty collection in a database of its own."""
    name = f"t{secrets.token_hex(5)}"
    yield client[name].create_collection("documents")
    client.drop_database(name)
