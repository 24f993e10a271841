"""Collections for the benchmark of the gateway: vectors, their documents, and searches in them."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from bson import Binary
from numpy.typing import NDArray
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.operations import SearchIndexModel

Client = MongoClient[dict[str, Any]]
Documents = Collection[dict[str, Any]]
_AT_ONCE = 20_000


@dataclass(frozen=True)
class Corpus:
    """`rows` are float32, or uint8 with eight dimensions each; `queries` likewise, not in it."""

    rows: NDArray[Any]
    queries: NDArray[Any]
    header: bytes
    dimensions: int
    similarity: str

    def binaries(self) -> Iterator[Binary]:
        return (self.binary(each) for each in self.rows)

    def binary(self, vector: NDArray[Any]) -> Binary:
        return Binary(self.header + vector.tobytes(), 9)


def float_rows(count: int, dimensions: int = 256) -> Corpus:
    """Unit vectors around a thousand centres, as texts lie around topics."""
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((1000, dimensions), dtype=np.float32)
    rows = rng.standard_normal((count + 200, dimensions), dtype=np.float32)
    rows += centres[rng.integers(1000, size=len(rows))]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Corpus(rows[200:], rows[:200], b"\x27\x00", dimensions, "dotProduct")


def bit_rows(count: int, dimensions: int = 1024) -> Corpus:
    """Around centres as well: each bit differs from its centre's with a chance of a quarter."""
    rng = np.random.default_rng(1)
    shape = (count + 200, dimensions // 8)
    centres = rng.integers(256, size=(1000, shape[1]), dtype=np.uint8)
    flips = rng.integers(256, size=shape, dtype=np.uint8)
    flips &= rng.integers(256, size=shape, dtype=np.uint8)
    rows = centres[rng.integers(1000, size=len(flips))] ^ flips
    return Corpus(rows[200:], rows[:200], b"\x10\x00", dimensions, "euclidean")


def fill(client: Client, corpus: Corpus) -> float:
    """The collection `bench.corpus` with an index; seconds from its definition to its use."""
    documents = client["bench"].create_collection("corpus")
    numbered = enumerate(corpus.binaries())
    while batch := list(itertools.islice(numbered, _AT_ONCE)):
        new = [{"_id": at, "v": vector, "share": at % 100} for at, vector in batch]
        documents.insert_many(new, ordered=False)
    vector = {
        "type": "vector",
        "path": "v",
        "numDimensions": corpus.dimensions,
        "similarity": corpus.similarity,
    }
    definition = {"fields": [vector, {"type": "filter", "path": "share"}]}
    documents.create_search_index(SearchIndexModel(definition, "default", "vectorSearch"))
    return wait_until_queryable(documents, seconds=300)


def wait_until_queryable(documents: Documents, *, seconds: float) -> float:
    start = time.monotonic()
    while not next(documents.list_search_indexes("default"))["queryable"]:
        if time.monotonic() > start + seconds:
            raise TimeoutError(f"the index is not ready after {seconds} s")
        time.sleep(0.02)
    return time.monotonic() - start


def searching(client: Client, corpus: Corpus, **more: Any) -> Callable[[], None]:
    """One search at each call, each with another query; ids and scores come back."""
    queries = itertools.cycle(corpus.binary(each) for each in corpus.queries)
    score = {"score": {"$meta": "vectorSearchScore"}}

    def search() -> None:
        stage = {"index": "default", "path": "v", "queryVector": next(queries), "limit": 10}
        stage |= {"exact": True, **more}
        found = list(
            client["bench"]["corpus"].aggregate([{"$vectorSearch": stage}, {"$project": score}])
        )
        if len(found) != 10:
            raise RuntimeError(f"{len(found)} hits where 10 were expected")

    return search
