"""Collections in good health, for each test to plant its fault into."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymongo.collection import Collection
from pymongo.database import Database

from leafsearch.config import Settings, load
from leafsearch.doctor import Examination, Finding, examine
from leafsearch.ingest import Choices, Document, Rejects, ingest, open_target
from leafsearch.vectors import load_encoder
from leaftests.doctor import Examined, Foreign, Ingested, corpus, float32, make_index, texts


@pytest.fixture
def examined(database: Database[Any], mongodb_uri: str) -> Examined:
    """Findings on collection `c` by the name of their check."""

    def findings(
        uri: str = mongodb_uri, environ: dict[str, str] | None = None, **order: Any
    ) -> dict[str, Finding]:
        models = {name: order.pop(name) for name in ("teacher", "student") if name in order}
        where = {"database": database.name, "collection": "c", **order.pop("where", {})}
        settings = load(environ or {}, **where, **models)
        return {f.check: f for f in examine(Examination(uri=uri, settings=settings, **order))}

    return findings


@pytest.fixture
def ingested(database: Database[Any], tmp_path: Path) -> Ingested:
    """Collection `c` as leaf-ingest makes it, with hashed vectors of 128 dimensions."""

    def collection(
        documents: Iterable[Document] | None = None,
        teacher: str = "hashing:128",
        student: str | None = None,
        **choices: Any,
    ) -> Collection[Any]:
        settings: Settings = load(
            {},
            teacher=teacher,
            student=student or teacher,
            storage="full",
            database=database.name,
            collection="c",
        )
        target = open_target(database, settings, Choices(**choices))
        rejects = Rejects(tmp_path / "rejects.jsonl")
        summary = ingest(documents or corpus(), target, rejects=rejects)
        target.collection.wait_until_ready(
            summary.last_written, seconds=60, on_status=lambda status: None
        )
        return database["c"]

    return collection


@pytest.fixture
def foreign(database: Database[Any]) -> Foreign:
    """Collection `c` as another program would make it: hashed vectors of `body` at `v`."""

    def collection(
        *,
        stored: Callable[[np.ndarray], Any] = float32,
        similarity: str = "cosine",
        n: int = 60,
        rows: np.ndarray | None = None,
        filters: Sequence[str] = (),
        **vector: Any,
    ) -> Collection[Any]:
        if rows is None:
            rows = load_encoder("hashing:64").encode_documents(texts(n))
        documents = [
            {"_id": i, "v": stored(row), "body": text, "n": i}
            for i, (row, text) in enumerate(zip(rows, texts(len(rows)), strict=True))
        ]
        database["c"].insert_many(documents)
        field = {"type": "vector", "path": "v", "numDimensions": rows.shape[1]}
        field |= {"similarity": similarity, **vector}
        make_index(
            database["c"], "theirs", field, *({"type": "filter", "path": f} for f in filters)
        )
        return database["c"]

    return collection


@pytest.fixture
def plain_mongod(mongodb_uri: str) -> str:
    """The URI of the local deployment's mongod itself, which has no search."""
    if "gateway.sock" not in mongodb_uri:
        pytest.skip("needs the local deployment")
    return mongodb_uri.replace("gateway.sock", "mongod.sock")
