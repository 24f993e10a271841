"""Measure what the teacher's precision costs, and that it is the same in every process.

    .venv/bin/python -m benchmarks.precision [--small] [--json FILE] [--only NAME ...]

The offline pair encodes NFCorpus and Vaswani (folder LEAF_TEST_DATA, default ../shared/data; a
missing collection is skipped) in float32 and in bfloat16: mean and worst cosine of the two, and
nDCG@10 of the student's queries over each by exact search. On a processor without instructions for
bfloat16 that takes long. Then three processes in a row encode the same texts, with the precision
left to `auto`. --small has 60 documents and two processes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from statistics import fmean

import numpy as np
from benchmarks.bars import Row, command, row
from benchmarks.measuring import Spread
from benchmarks.passages import mixed

from leafsearch.config import PRESETS
from leafsearch.evaluation import TestCollection, read_collection
from leafsearch.evaluation.measures import ndcg, ranking
from leafsearch.vectors import Rows, load_encoder, load_student
from leafsearch.vectors.encoders import find_model

PAIR = PRESETS["offline"]
DATA = Path(os.environ.get("LEAF_TEST_DATA") or Path(__file__).parents[2] / "shared/data")
_PROGRAM = """
import hashlib, json, sys
from leafsearch.vectors import load_encoder
encoder = load_encoder(sys.argv[1], devices=["cpu"])
rows = encoder.encode_documents(json.load(sys.stdin))
print(encoder.encode_precision, hashlib.sha256(rows.tobytes()).hexdigest())
"""


def cost(small: bool) -> Iterator[Row]:
    for name in ("nfcorpus", "vaswani"):
        if not (file := DATA / f"{name}.zip").is_file():
            yield {"what": name, "left_out": f"{file} is not there"}
            continue
        test = read_collection(file)
        yield from _compared(test.part(60) if small else test)


def _compared(test: TestCollection) -> Iterator[Row]:
    texts = [passage.encoded for passage in test.passages]
    exact, near = (
        load_encoder(PAIR.teacher, devices=["cpu"], precision=precision).encode_documents(texts)
        for precision in ("float32", "bfloat16")
    )
    cosines = np.sum(exact * near, axis=1)
    queries = load_student(PAIR.student).encode_queries(list(test.queries.values()))
    found, lost = _ndcg(test, queries, exact), _ndcg(test, queries, near)
    about = {"documents": len(texts), "float32": found, "bfloat16": lost}
    mean, worst = Spread.of([float(cosines.mean())]), Spread.of([float(cosines.min())])
    yield row(f"{test.name}, mean cosine", mean, 0.999, "", least=True)
    yield row(f"{test.name}, worst cosine", worst, 0.995, "", least=True)
    change = Spread.of([abs(found - lost)])
    yield row(f"{test.name}, change of nDCG@10", change, 0.002, "", **about)


def _ndcg(test: TestCollection, queries: Rows, documents: Rows) -> float:
    ids = np.array([passage.id for passage in test.passages])
    found = []
    for query, scores in zip(test.queries, queries @ documents.T, strict=True):
        best = np.argpartition(-scores, min(20, len(ids) - 1))[:20]
        ranked = ranking(dict(zip(ids[best], scores[best].tolist(), strict=True)))
        found.append(ndcg(ranked, test.judgments[query], 10))
    return fmean(found)


def repeated_processes(small: bool) -> Iterator[Row]:
    texts = mixed(find_model(PAIR.teacher).location, 1 if small else 8)
    answers = [_answer(texts) for _ in range(2 if small else 3)]
    different = Spread.of([float(len(set(answers)))])
    what = f"processes in {answers[0].split()[0]}, different results"
    yield row(what, different, 1, "", processes=len(answers), texts=len(texts))


def _answer(texts: list[str]) -> str:
    """Precision and digest of the rows of a process of its own."""
    program = [sys.executable, "-c", _PROGRAM, PAIR.teacher]
    ended = subprocess.run(
        program, input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    return ended.stdout.strip()


PACKAGES = ["sentence-transformers", "torch", "numpy"]
PARTS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "processes": repeated_processes,
    "cost": cost,
}


if __name__ == "__main__":
    command(__doc__, PARTS, nullcontext, PACKAGES)
