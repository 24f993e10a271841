import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from config import load
from ingest import Choices, Document, Rejected, Rejects, Summary, Target, ingest, open_target

Ingest = Callable[..., Summary]
Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def leaf_ingest(run: Run, mongodb_uri: str, database: Database[Any]) -> Run:
    """The command on the test's database with hashed vectors."""

    def ingest(*args: object, **options: str) -> CompletedProcess[str]:
        hashed = {"LEAF_TEACHER": "hashing:64", "LEAF_STUDENT": "hashing:64"}
        environ = {"LEAF_DATABASE": database.name, "LEAF_STORAGE": "full", **hashed, **options}
        return run("leaf-ingest", *args, **{"MONGODB_URI": mongodb_uri, **environ})

    return ingest


@pytest.fixture
def target(database: Database[Any]) -> Callable[..., Target]:
    """Opens a target for hashed vectors; options as for Choices, `storage` as in the settings."""

    def opened(storage: str | None = "full", **choices: Any) -> Target:
        settings = load(
            {}, teacher="hashing:64", student="hashing:64", storage=storage, collection="c"
        )
        return open_target(database, settings, Choices(**{"chunk_tokens": 32, **choices}))

    return opened


@pytest.fixture
def write(target: Callable[..., Target], tmp_path: Path) -> Iterator[Ingest]:
    """Ingests documents as a run of its own."""
    rejects = Rejects(tmp_path / "rejects.jsonl")

    def run(records: Iterable[Document | Rejected], **choices: Any) -> Summary:
        opened = target(**choices)
        summary = ingest(records, opened, rejects=rejects)
        opened.ensure_index()
        return summary

    yield run
    rejects.close()


@pytest.fixture(scope="session")
def covers() -> Callable[[str, list[str]], bool]:
    """Whether the passages, in order and overlapping, hold all of the text but its blanks."""

    def squeezed(text: str) -> str:
        return re.sub(r"\s+", "", text)

    def covers(text: str, passages: list[str]) -> bool:
        whole, done = squeezed(text), 0
        for passage in map(squeezed, passages):
            at = whole.rfind(passage, 0, done + len(passage))
            if at < 0 or at > done:
                return False
            done = max(done, at + len(passage))
        return done == len(whole)

    return covers
