"""One function per library that finds the nearest of all vectors, and one reference in float64.

Each returns a figure for how near each result is, larger for nearer: a product, or a negative
Hamming distance. A library that cannot scan a kind of vector exactly has no function for it.
"""

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import faiss
import numkong
import numpy as np
from benchmarks.gateway_corpora import Corpus
from numpy.typing import NDArray
from usearch.index import MetricKind
from usearch.index import search as usearch_search

from leafmongo.engine import VectorIndex, parse_definition, parse_query

Scan = Callable[[NDArray[Any]], NDArray[Any]]
BITS, FLOATS, INT8 = "1024 bits", "256 float32", "256 int8"
_CORES = len(os.sched_getaffinity(0))
_POOL = ThreadPoolExecutor(_CORES)
_BLOCK = 16_384


def reference(kind: str, corpus: Corpus, query: NDArray[Any], k: int) -> NDArray[np.float64]:
    if kind == BITS:
        return _largest(-np.bitwise_count(corpus.rows ^ query).sum(axis=1, dtype=np.float64), k)
    wanted = query.astype(np.float64)
    blocks = range(0, len(corpus.rows), _BLOCK)
    products = [corpus.rows[at : at + _BLOCK].astype(np.float64) @ wanted for at in blocks]
    return _largest(np.concatenate(products), k)


def numpy_scan(kind: str, corpus: Corpus, k: int) -> Scan:
    rows = corpus.rows
    if kind == FLOATS:
        return lambda query: _largest(rows @ query, k)
    words = rows.view(np.uint64) if kind == BITS else rows

    def figures(query: NDArray[Any]) -> NDArray[Any]:
        found = np.empty(len(rows), dtype=np.float32)
        for at in range(0, len(rows), _BLOCK):
            block = words[at : at + _BLOCK]
            if kind == BITS:
                differing = np.bitwise_count(block ^ query.view(np.uint64))
                found[at : at + _BLOCK] = -differing.sum(axis=1, dtype=np.int32)
            else:  # numpy's own product of integers takes ten times as long
                found[at : at + _BLOCK] = block.astype(np.float32) @ query.astype(np.float32)
        return found

    return lambda query: _largest(figures(query), k)


def numkong_scan(kind: str, corpus: Corpus, k: int) -> Scan:
    ends = np.linspace(0, len(corpus.rows), _CORES + 1).astype(int)
    parts = [corpus.rows[start:end] for start, end in itertools.pairwise(ends)]
    metric, dtype, sign = {
        FLOATS: ("dot", "float32", 1),
        INT8: ("dot", "int8", 1),
        BITS: ("hamming", "uint1", -1),
    }[kind]

    def scan(query: NDArray[Any]) -> NDArray[Any]:
        def best(part: NDArray[Any]) -> NDArray[Any]:
            figures = numkong.cdist(part, query[None], metric, dtype=dtype)
            return _largest(sign * np.asarray(figures)[:, 0], k)

        return _largest(np.concatenate(list(_POOL.map(best, parts))), k)

    return scan


def faiss_scan(kind: str, corpus: Corpus, k: int) -> Scan | None:
    if kind == INT8:
        return None
    if kind == BITS:
        index = faiss.IndexBinaryFlat(corpus.dimensions)
        index.add(corpus.rows)
        return lambda query: -index.search(query[None], k)[0][0].astype(np.float64)
    floats = faiss.IndexFlatIP(corpus.dimensions)
    floats.add(corpus.rows)
    return lambda query: floats.search(query[None], k)[0][0]


def usearch_scan(kind: str, corpus: Corpus, k: int) -> Scan:
    metric = MetricKind.Hamming if kind == BITS else MetricKind.IP

    def scan(query: NDArray[Any]) -> NDArray[Any]:
        found = usearch_search(corpus.rows, query[None], k, metric, exact=True, threads=_CORES)
        # Its distances are 1 - product, rounded in int8; the found rows are what counts.
        rows = corpus.rows[found.keys.ravel().astype(np.int64)]
        return reference(kind, _only(corpus, rows), query, k)

    return scan


def engine_scan(kind: str, corpus: Corpus, k: int) -> Scan:
    field = {"type": "vector", "path": "v", "numDimensions": corpus.dimensions}
    index = VectorIndex(parse_definition({"fields": [field | {"similarity": corpus.similarity}]}))
    index.upsert_many({"_id": at, "v": each} for at, each in enumerate(corpus.binaries()))
    stage = {"index": "default", "path": "v", "limit": k, "exact": True}

    def scan(query: NDArray[Any]) -> NDArray[Any]:
        found = index.search(parse_query({**stage, "queryVector": corpus.binary(query)}))
        rows = corpus.rows[[match.id for match in found]]
        return reference(kind, _only(corpus, rows), query, k)

    return scan


SCANNERS: dict[str, Callable[[str, Corpus, int], Scan | None]] = {
    "numpy": numpy_scan,
    "faiss": faiss_scan,
    "usearch": usearch_scan,
    "numkong": numkong_scan,
    "engine": engine_scan,
}


def _only(corpus: Corpus, rows: NDArray[Any]) -> Corpus:
    return Corpus(rows, corpus.queries, corpus.header, corpus.dimensions, corpus.similarity)


def _largest(figures: NDArray[Any], k: int) -> NDArray[Any]:
    return np.partition(figures, len(figures) - k)[-k:] if k < len(figures) else figures
