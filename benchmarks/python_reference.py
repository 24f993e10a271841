"""Measure what each storage format keeps on Python's language reference, through the whole path.

    .venv/bin/python -m benchmarks.python_reference [--small] [--json FILE]

Ingests the corpus of the quickstart once per format, with the offline preset, into a local MongoDB
of its own, searches with every question of tests/search/python_reference_questions.jsonl through
`$vectorSearch`, and prints a table. --small has one format and a tenth of the corpus; its figures
mean nothing.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measuring import circumstances
from pymongo import MongoClient

from leafmongo import LocalDeployment
from leafsearch.config import load
from leafsearch.ingest import Choices, Corpus, Rejects, ingest, open_target
from leafsearch.search import Searcher
from leafsearch.vectors import connect

ROOT = Path(__file__).parent.parent
QUESTIONS = ROOT / "tests/search/python_reference_questions.jsonl"
FORMATS: dict[str, dict[str, Any]] = {
    "full": {"storage": "full"},
    "mrl256": {"storage": "mrl256"},
    "mrl256-int8": {"storage": "mrl256-int8"},
    "mrl256, scalar quantization": {"storage": "mrl256", "quantization": "scalar"},
    "full, binary quantization": {"storage": "full", "quantization": "binary"},
    "binary": {"storage": "binary"},
    "mrl256, rotated": {"storage": "mrl256", "transform": "pca"},
    "192 int8, rotated": {
        "storage": "mrl256-int8",
        "dimensions": 192,
        "transform": "pca",
    },
    "128, rotated": {"storage": "mrl256", "dimensions": 128, "transform": "pca"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="one format, a tenth of the corpus")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    about = circumstances("onnxruntime", "pymongo", "sentence-transformers", "torch")
    reference = reference_lines()
    formats = list(FORMATS)[:1] if given.small else list(FORMATS)
    with tempfile.TemporaryDirectory() as folder, LocalDeployment(Path(folder, "home")) as mongodb:
        corpus = Path(folder, "corpus.jsonl")
        corpus.write_text("".join(reference[:8] if given.small else reference))
        with connect(mongodb.uri) as client:
            rows = [measured(name, corpus, mongodb.uri, client) for name in formats]
    print_table(rows)
    if given.json:
        given.json.write_text(json.dumps({**about, "results": rows}, indent=2))


def measured(name: str, corpus: Path, uri: str, client: MongoClient[Any]) -> dict[str, Any]:
    options = dict(FORMATS[name])
    storage = options.pop("storage")
    collection = name.replace(" ", "_").replace(",", "")
    settings = load({}, preset="offline", collection=collection, storage=storage)
    database = client[settings.database]
    target = open_target(database, settings, Choices(**options))
    rejects = Rejects(corpus.with_name("rejects"))
    summary = ingest(Corpus([str(corpus)]).records(), target, rejects=rejects)
    target.collection.wait_until_ready(
        summary.last_written, seconds=60, on_status=lambda status: None
    )
    with Searcher.open(uri, load({}, collection=collection)) as searcher:
        ranks = [rank(searcher, **question) for question in questions()]
    return {
        "format": name,
        "dimensions": target.manifest.dimensions,
        "success@1": share(ranks, 1),
        "success@5": share(ranks, 5),
        "MRR@10": sum(1 / r for r in ranks if r) / len(ranks),
        "vector_bytes": target.manifest.codec.size,
        "chunks": summary.chunks,
        "questions": len(ranks),
    }


def reference_lines() -> list[str]:
    """The corpus of the quickstart, one document a line."""
    program = [ROOT / "scripts/python-reference"]
    ended = subprocess.run(program, capture_output=True, text=True, check=True)
    return ended.stdout.splitlines(keepends=True)


def questions() -> list[dict[str, Any]]:
    return [json.loads(line) for line in QUESTIONS.read_text().splitlines()]


def rank(searcher: Searcher, *, question: str, topics: list[str]) -> int | None:
    """Rank of the first hit that answers, counted from 1; None if no hit of ten does."""
    hits = searcher.search(question, k=10)
    return next((n for n, hit in enumerate(hits, 1) if hit.document in topics), None)


def share(ranks: list[int | None], k: int) -> float:
    return sum(r is not None and r <= k for r in ranks) / len(ranks)


def print_table(rows: list[dict[str, Any]]) -> None:
    best = rows[0]["MRR@10"] or 1
    print(f"{rows[0]['questions']} questions, {rows[0]['chunks']} chunks\n")
    print("| format | dimensions | bytes a vector | success@1 | success@5 | MRR@10 | kept |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['format']} | {row['dimensions']} | {row['vector_bytes']:,} "
            f"| {row['success@1']:.3f} | {row['success@5']:.3f} | {row['MRR@10']:.3f} "
            f"| {row['MRR@10'] / best:.1%} |"
        )


if __name__ == "__main__":
    main()
