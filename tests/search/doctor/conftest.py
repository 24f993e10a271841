"""Collections in good health, for each test to plant its fault into."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bson import Binary
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.operations import SearchIndexModel

from config import Settings, load
from ingest import Choices, Document, Rejects, ingest, open_target
from search.doctor import Finding, Level, Order, examine
from vectors import load_encoder
from vectors.index_spec import IndexSpec
from vectors.search_index import SearchIndex, wait_for

Examined = Callable[..., dict[str, Finding]]
Ingested = Callable[..., Collection[Any]]
Foreign = Callable[..., Collection[Any]]

WORDS = [*"abcdefghijklmnopqrst"]


def texts(n: int) -> list[str]:
    random = np.random.default_rng(5)
    return [" ".join(random.choice(WORDS, size=9)) for _ in range(n)]


def corpus(n: int = 60) -> list[Document]:
    return [
        Document(str(i), text, metadata={"n": i, "even": i % 2 == 0})
        for i, text in enumerate(texts(n))
    ]


def float32(row: Sequence[float] | np.ndarray) -> Binary:
    return Binary(b"\x27\x00" + np.asarray(row, "<f4").tobytes(), 9)


def int8(row: Sequence[float] | np.ndarray) -> Binary:
    return Binary(b"\x03\x00" + np.asarray(row, np.int8).tobytes(), 9)


def bits(row: Sequence[float] | np.ndarray) -> Binary:
    return Binary(b"\x10\x00" + np.packbits(np.asarray(row) > 0).tobytes(), 9)


def complaints(findings: dict[str, Finding]) -> dict[str, Level]:
    """Everything that is not as it should be."""
    return {name: f.level for name, f in findings.items() if f.level is not Level.OK}


@pytest.fixture
def examined(database: Database[Any], mongodb_uri: str) -> Examined:
    """Findings on collection `c` by the name of their check."""

    def findings(
        uri: str = mongodb_uri, environ: dict[str, str] | None = None, **order: Any
    ) -> dict[str, Finding]:
        models = {name: order.pop(name) for name in ("teacher", "student") if name in order}
        where = {"database": database.name, "collection": "c", **order.pop("where", {})}
        settings = load(environ or {}, **where, **models)
        return {f.check: f for f in examine(Order(uri=uri, settings=settings, **order))}

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
            summary.last_written, seconds=60, told=lambda status: None
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


def make_index(collection: Collection[Any], name: str, *fields: dict[str, Any]) -> None:
    collection.create_search_index(SearchIndexModel({"fields": list(fields)}, name, "vectorSearch"))
    wait_until_ready(collection, name)


def wait_until_ready(collection: Collection[Any], name: str) -> None:
    (listed,) = collection.list_search_indexes(name)
    spec = IndexSpec(name, "vectorSearch", listed["latestDefinition"], collection.full_name)
    wait_for([SearchIndex(collection, spec)], seconds=60)


@pytest.fixture
def plain_mongod(mongodb_uri: str) -> str:
    """The URI of the local deployment's mongod itself, which has no search."""
    if "gateway.sock" not in mongodb_uri:
        pytest.skip("needs the local deployment")
    return mongodb_uri.replace("gateway.sock", "mongod.sock")


def change(collection: Collection[Any], path: str, value: Any, n: int = 3) -> list[Any]:
    """Put `value`, or what it makes of the old one, into the first documents; their ids."""
    ids = [d["_id"] for d in collection.find({}, {"_id": 1}).sort("_id").limit(n)]
    for id in ids:
        found = collection.find_one({"_id": id}) or {}
        new = value(found[path]) if callable(value) else value
        collection.update_one({"_id": id}, {"$set": {path: new}})
    return ids
