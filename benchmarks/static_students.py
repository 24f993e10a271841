"""Measure static students: a query, the start of a process, and what they find, beside a peer.

    .venv/bin/python -m benchmarks.static_students [--small] [--json FILE] [--only NAME ...]

The peers are sentence-transformers, which loads the same table, and the transformer student of the
preset `offline`, in alternation within one run. `quality` searches Python's language reference
through a local MongoDB; benchmarks.distill has NFCorpus and Vaswani. Takes three minutes. --small
has a table of few rows and few rounds; its bars mean nothing.
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
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer

from leafmongo import LocalDeployment
from leafsearch.config import PRESETS, load
from leafsearch.ingest import Choices, Corpus, Rejects, ingest, open_target
from leafsearch.search import Searcher
from leafsearch.vectors import connect, load_student, load_tokenizer
from leafsearch.vectors.encoders import unit_rows

PAIR = PRESETS["offline"]
FAST = "package:leafsearch/vectors/offline_fast"
ROOT = Path(__file__).parent.parent
QUESTIONS = [
    json.loads(line)
    for line in (ROOT / "tests/search/python_reference_questions.jsonl").read_text().splitlines()
]
WORDS = 12  # of a timed query
NIFE = 107_962, 1024  # rows and dimensions of NIFE-mxbai-embed-large-v1


class Bench:
    def __init__(self, uri: str, folder: Path, *, small: bool) -> None:
        self.uri = uri
        self.folder = folder
        self.small = small
        self.rounds = 3 if small else 15
        self._made: set[str] = set()

    def searcher(self, student: str) -> tuple[Searcher, str]:
        """A searcher of Python's language reference, and the name of its collection."""
        name = Path(student).name
        if name not in self._made:
            self._ingest(name, student)
            self._made.add(name)
        return Searcher.open(self.uri, load({}, collection=name)), name

    def _ingest(self, name: str, student: str) -> None:
        lines = subprocess.run(
            [ROOT / "scripts/python-reference"], capture_output=True, text=True, check=True
        ).stdout.splitlines(keepends=True)
        corpus = self.folder / "corpus.jsonl"
        corpus.write_text("".join(lines[:8] if self.small else lines))
        models = {"teacher": PAIR.teacher, "student": student}
        settings = load({}, **models, collection=name, storage="full")
        with connect(self.uri) as client:
            target = open_target(client[settings.database], settings, Choices())
            rejects = Rejects(self.folder / "rejects")
            done = ingest(Corpus([str(corpus)]).records(), target, rejects=rejects)
            target.collection.wait_until_ready(
                done.last_written, seconds=120, on_status=lambda _: None
            )


def queries() -> list[str]:
    """Twelve words each, cut from the questions."""
    words = " ".join(question["question"] for question in QUESTIONS).split()
    return [" ".join(words[at : at + WORDS]) for at in range(0, len(words) - WORDS, WORDS)]


def one_query(bench: Bench) -> Iterator[Row]:
    rows, dimensions = (40_000, 64) if bench.small else NIFE
    folder = str(bench.folder / "nife")
    tokenizer = grown(load_tokenizer(PAIR.teacher), rows)
    table = np.random.default_rng(1).standard_normal((rows, dimensions), dtype=np.float32)
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=table)])
    model.save(folder, create_model_card=False)
    peer = SentenceTransformer(folder, device="cpu", local_files_only=True)
    ours, transformer, fast = map(load_student, (folder, PAIR.student, FAST))
    asked = queries()
    sides: dict[str, Callable[[str], Any]] = {
        "shape of NIFE-mxbai": lambda q: ours.encode_queries([q]),
        "`offline_fast`": lambda q: fast.encode_queries([q]),
        "sentence-transformers, shape of NIFE-mxbai": lambda q: peer.encode(
            q, show_progress_bar=False
        ),
        "transformer student of `offline`": lambda q: transformer.encode_queries([q]),
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(bench.rounds + 1):
        for name, encode in sides.items():
            found = [1e3 * timed(lambda q=q, e=encode: e(q)) for q in asked]
            times[name] += found if number else []
    for name, found in times.items():
        is_ours = "transformer" not in name
        about = {"least": not is_ours, "p99": float(np.percentile(found, 99))}
        yield row(f"one query, {name}", Spread.of(found), 0.1 if is_ours else 0, "ms", **about)
    theirs = unit_rows(peer.encode(asked, show_progress_bar=False))
    least = float(np.sum(ours.encode_queries(asked) * theirs, axis=1).min())
    yield row("least cosine to sentence-transformers", Spread.of([least]), 0.9999, "", least=True)


def grown(tokenizer: Tokenizer, count: int) -> Tokenizer:
    """With words of no meaning, up to `count` entries."""
    content = json.loads(tokenizer.to_str())
    vocabulary = content["model"]["vocab"]
    vocabulary.update({f"xq{n}": n for n in range(len(vocabulary), count)})
    return Tokenizer.from_str(json.dumps(content))


def process_start(bench: Bench) -> Iterator[Row]:
    names = []
    for student in (FAST, PAIR.student):
        searcher, name = bench.searcher(student)
        searcher.close()
        names.append(name)

    def run(name: str) -> float:
        asked = [sys.executable, "-m", "leafsearch.search", QUESTIONS[0]["question"]]
        asked += ["--collection", name, "--json"]
        environ = {**os.environ, "MONGODB_URI": bench.uri}
        return timed(lambda: subprocess.run(asked, check=True, capture_output=True, env=environ))

    pairs = [[run(name) for name in names] for _ in range(bench.rounds + 1)][1:]
    fast, transformer = (Spread.of([pair[n] for pair in pairs]) for n in (0, 1))
    yield row("process start to hits, `offline_fast`", fast, 0, "s", least=True)
    yield row("process start to hits, transformer student", transformer, 0, "s", least=True)
    saved = Spread.of([slow - quick for quick, slow in pairs])
    yield row("saved by the static student", saved, 0.15, "s", least=True)


def quality(bench: Bench) -> Iterator[Row]:
    """Python's language reference, of which each question has known topics."""
    shares = {}
    for student in (PAIR.teacher, PAIR.student, FAST):
        searcher, _ = bench.searcher(student)
        with searcher:
            ranks = [rank(searcher, **question) for question in QUESTIONS]
        shares[student] = share(ranks)
    teacher = shares[PAIR.teacher] or 1
    for name, student, bar in (
        ("transformer student", PAIR.student, 0),
        ("`offline_fast`", FAST, 88),
    ):
        kept = Spread.of([100 * shares[student] / teacher])
        figures = {"success_at_5": shares[student], "teacher": teacher}
        yield row(f"success@5, {name}, of the teacher", kept, bar, "%", least=True, **figures)


def rank(searcher: Searcher, *, question: str, topics: Sequence[str]) -> int | None:
    hits = searcher.search(question, k=10)
    return next((n for n, hit in enumerate(hits, 1) if hit.document in topics), None)


def share(ranks: Sequence[int | None]) -> float:
    return sum(found is not None and found <= 5 for found in ranks) / len(ranks)


PACKAGES = ["tokenizers", "numpy", "onnxruntime", "sentence-transformers"]
PARTS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "query": one_query,
    "start": process_start,
    "quality": quality,
}


@contextmanager
def bench(small: bool) -> Iterator[Bench]:
    with (
        tempfile.TemporaryDirectory(prefix="leaf-", dir="/tmp") as folder,
        LocalDeployment(Path(folder, "home")) as deployment,
    ):
        yield Bench(deployment.uri, Path(folder), small=small)


if __name__ == "__main__":
    command(__doc__, PARTS, bench, PACKAGES)
