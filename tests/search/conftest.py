from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from config import load
from ingest import Choices, Document, Rejects, ingest, open_target
from search import Searcher

Made = Callable[..., Searcher]


@pytest.fixture
def made(database: Database[Any], mongodb_uri: str, tmp_path: Path) -> Iterator[Made]:
    """Ingests documents with hashed vectors into collection `c` and opens a searcher on it."""
    with ExitStack() as opened:

        def searcher(documents: Iterable[Document], **choices: Any) -> Searcher:
            settings = load(
                {},
                teacher="hashing:128",
                student="hashing:128",
                storage="full",
                database=database.name,
                collection="c",
            )
            target = open_target(database, settings, Choices(**choices))
            summary = ingest(documents, target, rejects=Rejects(tmp_path / "rejects.jsonl"))
            target.ensure_index()
            target.collection.wait_until_ready(
                summary.last_written, seconds=60, told=lambda status: None
            )
            plain = load({}, database=database.name, collection="c")
            return opened.enter_context(Searcher.open(mongodb_uri, plain))

        yield searcher
