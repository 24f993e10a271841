"""Measure how good distilled students are, on test collections that none of them was trained on.

    .venv/bin/python -m benchmarks.distill [--small] [--json FILE] [--only NAME ...]

`shipped` is the student of the preset `offline`, `fast` the static one beside it; neither has seen
these collections. `own` is distilled here from the documents of each collection alone, without
queries and judgments. `losses` shows what the loss terms for truncated vectors and for signs
change, everything else being equal. All are compared with the teacher on both sides by exact
search, which equals that of `$vectorSearch`, as `benchmarks.quality` shows. The collections are in
the folder LEAF_TEST_DATA (default ../shared/data). `own` and `losses` take half an hour each;
--small uses a part, whose figures mean nothing.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.bars import Row, command, row
from benchmarks.measuring import Spread
from benchmarks.quality import ROOT, collections

from leafsearch.config import PRESETS
from leafsearch.distill.publish.measure import latency
from leafsearch.evaluation import CachedModel, TestCollection
from leafsearch.evaluation.measures import ndcg, ranking
from leafsearch.vectors import Rows, load_encoder
from leafsearch.vectors.encoders import unit_rows

PAIR = PRESETS["offline"]
FAST = "package:leafsearch/vectors/offline_fast"
FORMS = {"float32": 384, "float32 256": 256, "bits": 0}


def shipped(small: bool) -> Iterator[Row]:
    for test in collections(small):
        yield from compared("shipped student", test, PAIR.student, 90)
    teacher = load_encoder(PAIR.teacher)
    found = latency(teacher, PAIR.student)
    assert found, "the teacher cannot be exported"
    share = Spread.of([found.share])
    yield row(
        "shipped student, time of a query, of the teacher's",
        share,
        0.6,
        "x",
        teacher_ms=found.teacher,
        student_ms=found.student,
    )


def fast(small: bool) -> Iterator[Row]:
    """The static student that comes with the project."""
    for test in collections(small):
        bar = 90 if test.name == "nfcorpus" else 88
        yield from compared("`offline_fast`", test, FAST, bar)


def own(small: bool) -> Iterator[Row]:
    options = []
    if small:  # with the options that `losses` tries, so that these are seen to run as well
        options = ["--epochs", "1", "--examples", "400", "--truncated", "256", "--bits", "1"]
    for test in islice(collections(small), 1 if small else None):
        with tempfile.TemporaryDirectory(prefix="leaf-") as folder:
            results = distilled(test, Path(folder), options)
            student = str(Path(folder, "student"))
            yield from compared("student of its own documents", test, student, 95)
        minutes = Spread.of([results["seconds"] / 60])
        yield row(f"{test.name}, the time of distilling it", minutes, 30, "min", **about(results))
        cosine = Spread.of([results["cosine"]])
        yield row(f"{test.name}, its cosine on held-out texts", cosine, 0.85, "", least=True)
        share = Spread.of([results["latency"]["student"] / results["latency"]["teacher"]])
        yield row(f"{test.name}, its time of a query", share, 0.6, "x")


def losses(small: bool) -> Iterator[Row]:
    """A short training each, of the first collection's documents; nDCG@10 of stored forms."""
    test = None if small else next(collections(small), None)
    if test is None:
        return
    short = ["--epochs", "1", "--examples", "20000"]
    tried: dict[str, list[str]] = {
        "plain": [],
        "truncated 256": ["--truncated", "256"],
        "bits 1": ["--bits", "1"],
        "both": ["--truncated", "256", "--bits", "1"],
    }
    for name, options in tried.items():
        with tempfile.TemporaryDirectory(prefix="leaf-") as folder:
            distilled(test, Path(folder), [*short, *options])
            found = by_form(test, str(Path(folder, "student")))
        for form, quality in found.items():
            spread = Spread.of([quality])
            yield row(f"{test.name}, {name}, nDCG@10 as {form}", spread, 0, "", least=True)


def compared(what: str, test: TestCollection, student: str, bar: float) -> Iterator[Row]:
    """Percent of the teacher's nDCG@10, by exact search of full vectors, and of other forms."""
    alone, together = by_form(test, PAIR.teacher), by_form(test, student)
    for form in FORMS:
        share = Spread.of([100 * together[form] / alone[form]])
        figures = {"ndcg": together[form], "teacher_ndcg": alone[form]}
        wanted = bar if form == "float32" else 0
        yield row(f"{test.name}, {what}, {form}", share, wanted, "%", least=True, **figures)


def by_form(test: TestCollection, student: str) -> dict[str, float]:
    documents = CachedModel(PAIR.teacher, "teacher").encode(
        [p.encoded for p in test.passages], "documents", report_progress
    )
    queries = CachedModel(student, "student").encode(
        list(test.queries.values()), "queries", report_progress
    )
    return {
        form: quality(test, documents, queries, dimensions) for form, dimensions in FORMS.items()
    }


def quality(test: TestCollection, documents: Rows, queries: Rows, dimensions: int) -> float:
    """0 dimensions: signs of the documents, all of the query, as bits are rescored."""
    if dimensions:
        scores = unit_rows(queries[:, :dimensions]) @ unit_rows(documents[:, :dimensions]).T
    else:
        scores = queries @ np.where(documents > 0, 1.0, -1.0).T
    ids = [p.id for p in test.passages]
    found = [
        ndcg(ranking(dict(zip(ids, map(float, line), strict=True))), test.judgments[query], 10)
        for query, line in zip(test.queries, scores, strict=True)
    ]
    return float(np.mean(found))


def distilled(test: TestCollection, folder: Path, options: Sequence[str]) -> dict[str, Any]:
    """By the command, as a user would; what it tells."""
    texts = folder / "texts.jsonl"
    with texts.open("w") as lines:
        for p in test.passages:
            lines.write(json.dumps({"id": p.id, "title": p.title, "text": p.text}) + "\n")
    asked = [
        sys.executable,
        "-m",
        "leafsearch.distill",
        "--teacher",
        PAIR.teacher,
        "--texts",
        str(texts),
    ]
    asked += ["--out", str(folder / "student"), "--json", *options]
    done = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    return dict(json.loads(done.stdout))


def about(results: dict[str, Any]) -> dict[str, Any]:
    return {name: results[name] for name in ("examples", "cosine_before")}


def report_progress(line: str) -> None:
    print(line, file=sys.stderr)


PARTS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "shipped": shipped,
    "fast": fast,
    "own": own,
    "losses": losses,
}


if __name__ == "__main__":
    command(__doc__, PARTS, nullcontext, ["sentence-transformers", "torch", "onnxruntime"])
