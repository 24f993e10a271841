from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

Run = Callable[..., CompletedProcess[str]]
HASHED = {"LEAF_TEACHER": "hashing:64", "LEAF_STUDENT": "hashing:64", "LEAF_STORAGE": "full"}


@pytest.fixture
def leaf_ingest(run: Run, mongodb_uri: str, database: Database[Any]) -> Run:
    """The command on the test's database with hashed vectors."""

    def ingest(*args: object, **options: str) -> CompletedProcess[str]:
        environ = {"MONGODB_URI": mongodb_uri, "LEAF_DATABASE": database.name, **HASHED, **options}
        return run("leaf-ingest", *args, **environ)

    return ingest


@pytest.fixture
def where(leaf_ingest: Run, mongodb_uri: str, database: Database[Any]) -> list[str]:
    """The address of a small collection `c` with hashed vectors."""
    records = '{"id": "trees", "text": "ash elm oak"}\n{"id": "water", "text": "sea bay"}\n'
    assert leaf_ingest("-", "--collection", "c", input=records).returncode == 0
    return ["--uri", mongodb_uri, "--database", database.name]
