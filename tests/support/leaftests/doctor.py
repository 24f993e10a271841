"""Collections for the doctor, and faults to plant into them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from bson import Binary
from pymongo.collection import Collection
from pymongo.operations import SearchIndexModel

from leafsearch.doctor import Finding, Severity
from leafsearch.ingest import Document
from leafsearch.vectors.store import IndexSpec
from leafsearch.vectors.store.indexes.search_index import SearchIndex, wait_for

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


def complaints(findings: dict[str, Finding]) -> dict[str, Severity]:
    """Everything that is not as it should be."""
    return {name: f.level for name, f in findings.items() if f.level is not Severity.OK}


def make_index(collection: Collection[Any], name: str, *fields: dict[str, Any]) -> None:
    collection.create_search_index(SearchIndexModel({"fields": list(fields)}, name, "vectorSearch"))
    wait_until_ready(collection, name)


def wait_until_ready(collection: Collection[Any], name: str) -> None:
    (listed,) = collection.list_search_indexes(name)
    spec = IndexSpec(name, "vectorSearch", listed["latestDefinition"], collection.full_name)
    wait_for([SearchIndex(collection, spec)], seconds=60)


def change(collection: Collection[Any], path: str, value: Any, n: int = 3) -> list[Any]:
    """Put `value`, or what it makes of the old one, into the first documents; their ids."""
    ids = [d["_id"] for d in collection.find({}, {"_id": 1}).sort("_id").limit(n)]
    for id in ids:
        found = collection.find_one({"_id": id}) or {}
        new = value(found[path]) if callable(value) else value
        collection.update_one({"_id": id}, {"$set": {path: new}})
    return ids
