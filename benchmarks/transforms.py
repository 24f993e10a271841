"""Measure what a rotation keeps of a student's quality, and what it costs.

    .venv/bin/python -m benchmarks.transforms [--small] [--json FILE] [--only NAME ...]

The offline pair on NFCorpus, Vaswani (folder LEAF_TEST_DATA, default ../shared/data; a missing
collection is skipped) and Python's language reference, through the local MongoDB: nDCG@10 of each
form as a share of the same student's on float32 with all dimensions, with the 95 % interval of a
paired bootstrap over the queries. Then the cost of the rotation for a query and for ingesting, and
the matrix under three kernels of OpenBLAS. --small has 60 documents, whose figures mean nothing.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.bars import Row, command, row
from benchmarks.measuring import Spread, repeated, timed
from benchmarks.python_reference import questions, reference_lines
from benchmarks.quality import DATA
from pymongo import MongoClient

from leafmongo import LocalDeployment
from leafsearch.config import PRESETS, Storage, load
from leafsearch.evaluation import CachedModel, Format, TestCollection, read_collection
from leafsearch.evaluation.judged import Vectors
from leafsearch.evaluation.measures import Grades, ndcg
from leafsearch.evaluation.replay import Remembered, find_all, replay_searcher
from leafsearch.evaluation.trial import trial_collection
from leafsearch.ingest import Choices, Corpus, Rejects, ingest, open_target
from leafsearch.vectors import Codec, Rows, connect, load_encoder, load_student
from leafsearch.vectors.store import Form, Sample, choose_form, fit_transform, sample_queries

PAIR = PRESETS["offline"]
KERNELS = ("Haswell", "SkylakeX", "Zen")
_SAMPLE, _RESAMPLED = 2048, 10_000
_FIT = """
import sys, numpy as np
from leafsearch.vectors.store import fit_transform
rows = np.load(sys.argv[1])
np.save(sys.argv[2], fit_transform(rows, rows.shape[1] * 2 // 3).matrix)
"""


@dataclass(frozen=True)
class Judged:
    """A collection with queries; a document counts by the best of its passages among the hits."""

    name: str
    chunks: Sequence[Mapping[str, Any]]
    rows: Rows
    asked: Remembered
    queries: Mapping[str, str]
    grades: Mapping[str, Grades]


@dataclass(frozen=True)
class Bench:
    small: bool
    uri: str
    client: MongoClient[Any]
    folder: Path


@contextmanager
def bench(small: bool) -> Iterator[Bench]:
    with (
        tempfile.TemporaryDirectory(prefix="leaf-", dir="/tmp") as folder,
        LocalDeployment(Path(folder, "home")) as deployment,
        connect(deployment.uri) as client,
    ):
        yield Bench(small, deployment.uri, client, Path(folder))


def kept(bench: Bench) -> Iterator[Row]:
    for name in ("nfcorpus", "vaswani"):
        if not (file := DATA / f"{name}.zip").is_file():
            yield {"what": name, "left_out": f"{file} is not there"}
            continue
        test = read_collection(file)
        yield from _kept(bench, beir(test.part(60) if bench.small else test))
    yield from _kept(bench, python_reference(bench))


def _kept(bench: Bench, judged: Judged) -> Iterator[Row]:
    whole = judged.rows.shape[1]
    base = measured(bench, judged, Format(name="float32", storage=Storage(dimensions=whole)))

    def share(form: Format, bar: float, **more: Any) -> Row:
        found = measured(bench, judged, form)
        what = f"{judged.name}, {form.dimensions} {form.name}"
        value = float(found.mean())
        return row(what, ratio(found, base), bar, "%", least=True, ndcg=value, **more)

    for dimensions, precision, bar in (
        (256, "float32", 99.0),
        (192, "int8", 97.5),
        (128, "float32", 93.5),
    ):
        storage = Storage(dimensions=dimensions, precision=precision)  # type: ignore[arg-type]
        plain = measured(bench, judged, Format(name=precision, storage=storage))
        rotated = Format(name=f"{precision}, rotated", storage=storage, transform="pca")
        yield share(rotated, bar, plain=ratio(plain, base).median, whole=float(base.mean()))
    bits = Storage(dimensions=whole // 8 * 8, precision="binary")
    alone = ratio(measured(bench, judged, Format(name="bits, rescored", storage=bits)), base)
    both = Format(name="bits and int8", storage=replace(bits, beside="int8"))
    yield share(both, 99.0, plain=alone.median, whole=float(base.mean()))
    in_bits = Storage(dimensions=whole, precision="int8", quantization="binary")
    yield share(Format(name="server's int8", storage=in_bits), 99.0)


def ratio(found: np.ndarray, base: np.ndarray) -> Spread:
    """The ratio of the means in percent, with the 95 % interval of a paired bootstrap."""
    chance = np.random.default_rng(0)
    drawn = chance.integers(0, len(base), (_RESAMPLED, len(base)))
    ratios = found[drawn].mean(axis=1) / np.maximum(base[drawn].mean(axis=1), 1e-9)
    low, high = np.percentile(ratios, [2.5, 97.5])
    of_all = float(found.mean() / max(float(base.mean()), 1e-9))
    return Spread(100 * of_all, 100 * float(low), 100 * float(high))


def measured(bench: Bench, judged: Judged, form: Format) -> np.ndarray:
    """nDCG@10 of each query."""
    database = bench.client["leaf"]
    options = {} if form.rescore is None else {"rescore": form.rescore}
    trial = trial_collection(
        database, form.storage, judged.chunks, judged.rows, transform=form.transform
    )
    with trial as collection:
        searcher = replay_searcher(bench.client, collection, judged.asked)
        texts = list(judged.queries.values())
        found = find_all(searcher, texts, k=10, **options)
    return np.array(
        [
            ndcg(list(dict.fromkeys(hit.document for hit in hits)), judged.grades[query], 10)
            for query, hits in zip(judged.queries, found, strict=True)
        ]
    )


def beir(test: TestCollection) -> Judged:
    vectors = Vectors(
        test,
        {
            "teacher": CachedModel(PAIR.teacher, "teacher"),
            "student": CachedModel(PAIR.student, "student"),
        },
        lambda line: print(line, file=sys.stderr),
    )
    chunks = [chunk(passage.id, passage.id) for passage in test.passages]
    rows, asked = vectors.documents("teacher"), vectors.queries("student")
    return Judged(test.name, chunks, rows, asked, test.queries, test.judgments)


def python_reference(bench: Bench) -> Judged:
    """Chunks as ingest cuts them; a question's topics are relevant to it."""
    corpus = bench.folder / "corpus.jsonl"
    corpus.write_text("".join(reference_lines()[: 8 if bench.small else None]))
    settings = load({}, preset="offline", collection="reference", storage="full")
    target = open_target(bench.client[settings.database], settings, Choices())
    ingest(Corpus([str(corpus)]).records(), target, rejects=Rejects(bench.folder / "rejects"))
    stored = list(target.collection.mongo.find({}).sort("_id", 1))
    path = target.manifest.path
    asked = {f"q{n}": each for n, each in enumerate(questions())}
    texts = {id: str(each["question"]) for id, each in asked.items()}
    rows = load_student(PAIR.student).encode_queries(list(texts.values()))
    return Judged(
        "Python's reference",
        [chunk(each["_id"], each["document"]) for each in stored],
        target.manifest.codec.expand([each[path] for each in stored]),
        Remembered(list(texts.values()), rows),
        texts,
        {id: dict.fromkeys(each["topics"], 1) for id, each in asked.items()},
    )


def chunk(id: str, document: str) -> dict[str, Any]:
    return {"_id": id, "document": document, "position": 0, "hash": b""}


def query_cost(bench: Bench) -> Iterator[Row]:
    """What rotating adds to one query, at 1,024 dimensions."""
    rows = made(_SAMPLE, 1024)
    for columns in (256, 512):
        transform = fit_transform(rows, columns)
        times = 20 if bench.small else 300
        without, with_it = (
            repeated(
                partial(Codec(columns, "float32", None, each).project_queries, rows[:1]), times
            )
            for each in (None, transform)
        )
        more = with_it.median - without.median
        found = Spread(more, with_it.low - without.high, with_it.high - without.low)
        yield row(f"a query, 1,024 dimensions to {columns}", found, 0.05, "ms")


def ingest_overhead(bench: Bench) -> Iterator[Row]:
    """What choosing, fitting and rotating add to encoding 3,633 texts like those of NFCorpus."""
    documents, timed_on = 3633, 16 if bench.small else 128
    file = DATA / "nfcorpus.zip"
    if not file.is_file():
        yield {"what": "ingest", "left_out": f"{file} is not there"}
        return
    texts = [passage.encoded for passage in read_collection(file).passages[:timed_on]]
    encoder = load_encoder(PAIR.teacher, devices=["cpu"])
    student = load_student(PAIR.student)
    rows = made(_SAMPLE, encoder.dimensions)
    shares = []
    for _ in range(1 if bench.small else 5):
        seconds = timed(lambda: encoder.encode_documents(texts)) / timed_on
        start = time.perf_counter()
        queries, own = sample_queries((texts * _SAMPLE)[:_SAMPLE])
        sample = Sample(rows, student.encode_queries(queries), own)
        transform = choose_form(sample, Form(256, "float32"), "pca").transform
        choosing = time.perf_counter() - start
        plain, rotated = (
            timed(partial(Codec(256, "float32", None, each).compress, rows))
            for each in (None, transform)
        )
        more = rotated - plain
        shares.append(100 * (choosing + more * documents / _SAMPLE) / (seconds * documents))
    yield row("ingest, share of encoding 3,633 abstracts", Spread.of(shares), 1.0, "%")


def kernels(bench: Bench) -> Iterator[Row]:
    """The largest difference between matrices fitted on the same sample."""
    samples = {"made vectors": made(_SAMPLE, 256 if bench.small else 1024)}
    file = DATA / "nfcorpus.zip"
    if file.is_file() and not bench.small:
        samples["NFCorpus"] = beir(read_collection(file)).rows[:_SAMPLE]
    for name, rows in samples.items():
        sample = bench.folder / "sample.npy"
        np.save(sample, rows)
        found = {kernel: _fitted(kernel, sample, bench.folder) for kernel in KERNELS}
        able = [matrix for matrix in found.values() if matrix is not None]
        lost = [kernel for kernel, matrix in found.items() if matrix is None]
        if len(able) < 2:
            yield {"what": f"kernels, {name}", "left_out": f"this processor cannot run {lost}"}
            continue
        largest = max(float(np.abs(able[0] - other).max()) for other in able[1:])
        compared = [kernel for kernel in KERNELS if kernel not in lost]
        yield row(f"kernels, {name}", Spread.of([largest]), 1e-6, "", kernels=compared)


def _fitted(kernel: str, sample: Path, folder: Path) -> np.ndarray | None:
    """None if the processor lacks instructions of the kernel."""
    file = folder / f"{kernel}.npy"
    environment = {**os.environ, "OPENBLAS_CORETYPE": kernel}
    command = [sys.executable, "-c", _FIT, sample, file]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    if ended.returncode < 0:
        return None
    if ended.returncode:
        raise RuntimeError(f"{kernel}: {ended.stderr}")
    fitted: np.ndarray = np.load(file)
    return fitted


def made(count: int, dimensions: int) -> Rows:
    """Unit rows whose spread falls from one direction to the next, as those of a model."""
    chance = np.random.default_rng(0)
    turned, _ = np.linalg.qr(chance.standard_normal((dimensions, dimensions)))
    spread = 1 / np.sqrt(np.arange(1, dimensions + 1))
    rows = (chance.standard_normal((count, dimensions)) * spread) @ turned
    unit: Rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


PACKAGES = ["numpy", "onnxruntime", "pymongo", "sentence-transformers", "torch"]
PARTS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "query": query_cost,
    "kernels": kernels,
    "ingest": ingest_overhead,
    "kept": kept,
}


if __name__ == "__main__":
    command(__doc__, PARTS, bench, PACKAGES)
