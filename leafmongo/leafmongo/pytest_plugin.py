"""Fixtures for the tests of any project: a MongoDB with `$vectorSearch`, started on first use.

pytest loads this module for everybody who has the package, so the fixtures do the heavy imports.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.database import Database

_URI_VARIABLE = "LEAF_TEST_MONGODB_URI"


@pytest.fixture(scope="session")
def leaf_mongodb_uri() -> Iterator[str]:
    """LEAF_TEST_MONGODB_URI, else the URI of a deployment that runs as long as the tests."""
    if given := os.environ.get(_URI_VARIABLE):
        yield given
        return
    from leafmongo.deployment.deployment import LocalDeployment
    from leafmongo.errors import LocalError

    # A short path: those of pytest's own folders are too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="leaf-"))
    deployment = LocalDeployment(folder / "home")
    try:
        deployment.start()
        yield deployment.uri
    except LocalError as error:
        pytest.fail(str(error), pytrace=False)
    finally:
        deployment.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def leaf_mongodb_client(leaf_mongodb_uri: str) -> "Iterator[MongoClient[dict[str, Any]]]":
    """A client of this MongoDB, closed after the last test."""
    from pymongo import MongoClient

    with MongoClient[dict[str, Any]](leaf_mongodb_uri) as client:
        yield client


@pytest.fixture
def leaf_mongodb(
    leaf_mongodb_client: "MongoClient[dict[str, Any]]",
) -> "Iterator[Database[dict[str, Any]]]":
    """A new database for this test, dropped afterwards with its search indexes."""
    name = f"leaf_test_{secrets.token_hex(6)}"
    yield leaf_mongodb_client[name]
    leaf_mongodb_client.drop_database(name)
