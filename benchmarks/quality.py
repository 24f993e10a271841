"""Measure what each storage format keeps: `leaf-search eval` on NFCorpus and Vaswani, offline pair.

    .venv/bin/python -m benchmarks.quality [--small] [--json FILE] [--pictures FOLDER]

The test collections are in the folder LEAF_TEST_DATA (default ../shared/data); a missing one is
skipped. Encoding NFCorpus takes some minutes the first time; its vectors stay in the user's cache.
--small has 60 documents, whose figures mean nothing.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.measuring import circumstances

from leafmongo import LocalDeployment
from leafsearch.config import PRESETS
from leafsearch.evaluation import (
    CachedModel,
    Judged,
    Report,
    TestCollection,
    evaluate,
    read_collection,
)
from leafsearch.vectors import connect

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("LEAF_TEST_DATA") or ROOT.parent / "shared/data")
COLLECTIONS = ("nfcorpus", "vaswani")
_HEAD = (
    "| format | dimensions | nDCG@10 | of the best | recall@100 | MRR@10 | overlap "
    "| vector bytes | BSON bytes | index bytes | ms p50 | p95 |\n" + "|---" * 12 + "|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="60 documents of each")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    machine = circumstances("numpy", "onnxruntime", "pymongo", "sentence-transformers", "torch")
    reports = []
    with (
        tempfile.TemporaryDirectory(prefix="leaf-", dir="/tmp") as folder,
        LocalDeployment(Path(folder, "home")) as deployment,
    ):
        for test in collections(given.small):
            reports.append(evaluated(test, deployment.uri))
            print(as_markdown(reports[-1]), flush=True)
    if given.pictures:
        draw_all(reports, given.pictures)
    if given.json:
        results = [asdict(report) for report in reports]
        given.json.write_text(
            json.dumps({**machine, "small": given.small, "results": results}, indent=2)
        )


def collections(small: bool) -> Iterator[TestCollection]:
    for name in COLLECTIONS:
        file = DATA / f"{name}.zip"
        if not file.is_file():
            print(f"{file} is not there: {name} is left out", file=sys.stderr)
            continue
        whole = read_collection(file)
        yield whole.part(60) if small else whole


def evaluated(test: TestCollection, uri: str) -> Report:
    pair = PRESETS["offline"]
    with connect(uri) as client:
        return evaluate(
            test,
            {
                "teacher": CachedModel(pair.teacher, "teacher", None),
                "student": CachedModel(pair.student, "student", None),
            },
            client,
            "leaf",
            lambda line: print(line, file=sys.stderr),
        )


def draw_all(reports: list[Report], folder: Path) -> None:
    from leafsearch.evaluation.pictures import draw

    for report in reports:
        draw(report, folder / report.collection)


def as_markdown(report: Report) -> str:
    about = f"{report.collection}: {report.documents:,} documents, {report.queries:,} queries"
    took = f"{report.seconds:.0f} s" + "".join(
        f", the {role} encodes a query in {found.p50:.1f} ms"
        for role, found in report.encoding.items()
    )
    return "\n".join([f"\n{about} ({took})\n", _HEAD, *map(_line, report.rows)])


def _line(row: Judged) -> str:
    index = "-" if row.sizes.index is None else f"{row.sizes.index:,.0f}"
    return (
        f"| {row.format.name} | {row.format.dimensions} | {row.ndcg:.4f} | {row.of_best:.1%} "
        f"| {row.recall:.4f} | {row.mrr:.4f} | {row.overlap:.3f} | {row.sizes.vector:,} "
        f"| {row.sizes.document:,.0f} | {index} | {row.latency.p50:.1f} | {row.latency.p95:.1f} |"
    )


if __name__ == "__main__":
    main()
