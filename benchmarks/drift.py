"""Measure when a transform no longer fits: what the doctor sees, and what a rebuild then gains.

    .venv/bin/python -m benchmarks.drift [--small] [--json FILE]

The offline pair on NFCorpus and Vaswani (folder LEAF_TEST_DATA, default ../shared/data; without
both nothing is measured). A transform is fitted on one collection, then documents of the other come
beside it. The doctor's figures are computed with its own functions from the newest documents;
nDCG@10 is that of exact search over both, on vectors of the given dimensions, as a share of all 384
dimensions: with the transform as it is, and with the one that a rebuild would fit. Without new
documents the newest ones are the collection's own last ones. --small has 600 documents of each,
whose figures mean nothing.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from benchmarks.measuring import circumstances
from benchmarks.quality import COLLECTIONS, DATA

from leafsearch.config import PRESETS
from leafsearch.doctor.checks.drift import (
    FIRST,
    RECENT,
    SHORTER,
    SPREAD,
    is_lost,
    length_kept,
    neighbours_kept,
)
from leafsearch.evaluation import CachedModel, TestCollection, read_collection
from leafsearch.evaluation.measures import ndcg
from leafsearch.vectors import Rows
from leafsearch.vectors.encoders import unit_rows
from leafsearch.vectors.store import Transform, fit_transform

_FITTED_ON, _SHOWN = 2048, 10
_DIMENSIONS = (256, 192, 128, 64)
_NEW = (0, 300, 1500, 3600)
_HEAD = (
    "| fitted on | new | dimensions | length kept, sample | recent | neighbours kept | rebuilt "
    "| doctor | nDCG@10, new | rebuilt | nDCG@10, old | rebuilt |\n" + "|---" * 12 + "|"
)


@dataclass(frozen=True)
class Encoded:
    test: TestCollection
    documents: Rows
    queries: Rows


@dataclass(frozen=True, kw_only=True)
class Measured:
    """`new` are the added documents; shares of nDCG@10 are None without any."""

    fitted_on: str
    new: int
    dimensions: int
    length_of_sample: float
    length: float
    neighbours: float
    rebuilt: float
    warns: bool
    ndcg_new: float | None
    ndcg_new_rebuilt: float | None
    ndcg_old: float
    ndcg_old_rebuilt: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="600 documents of each")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    about = circumstances("numpy", "onnxruntime", "torch")
    files = [DATA / f"{name}.zip" for name in COLLECTIONS]
    rows: list[Measured] = []
    if missing := [str(file) for file in files if not file.is_file()]:
        print(f"{', '.join(missing)}: not there, so nothing is measured", file=sys.stderr)
    else:
        one, other = (encoded(read_collection(file), given.small) for file in files)
        print(_HEAD)
        for old, new in ((one, other), (other, one)):
            for found in measured(old, new):
                rows.append(found)
                print(_line(found), flush=True)
    if given.json:
        results = [asdict(found) for found in rows]
        given.json.write_text(json.dumps({**about, "results": results}, indent=2))


def encoded(whole: TestCollection, small: bool) -> Encoded:
    test, pair = whole.part(600) if small else whole, PRESETS["offline"]
    texts, asked = [p.encoded for p in test.passages], list(test.queries.values())
    teacher, student = CachedModel(pair.teacher, "teacher"), CachedModel(pair.student, "student")
    return Encoded(
        test,
        teacher.encode(texts, "documents", lambda line: print(line, file=sys.stderr)),
        student.encode(asked, "queries", lambda line: None),
    )


def measured(old: Encoded, new: Encoded) -> Iterator[Measured]:
    for dimensions in _DIMENSIONS:
        transform = fit_transform(old.documents[:_FITTED_ON], dimensions)
        for count in _NEW:
            documents = np.concatenate([old.documents, new.documents[:count]])
            chance = np.random.default_rng(0).permutation(len(documents))
            newest = documents[-RECENT:][::-1]
            length = length_kept(newest[:FIRST], transform)
            trial = fit_transform(documents[chance[:SPREAD]], dimensions)
            neighbours, rebuilt = (neighbours_kept(newest, t) for t in (transform, trial))
            again = fit_transform(documents[chance[:_FITTED_ON]], dimensions)
            ids = [p.id for p in old.test.passages] + [p.id for p in new.test.passages[:count]]
            shares = {
                (side, which): share(encoded, documents, ids, fitted, count if side else None)
                for side, encoded in enumerate((old, new))
                for which, fitted in enumerate((transform, again))
                if not side or count
            }
            yield Measured(
                fitted_on=old.test.name,
                new=count,
                dimensions=dimensions,
                length_of_sample=transform.kept,
                length=length,
                neighbours=neighbours,
                rebuilt=rebuilt,
                warns=length <= transform.kept - SHORTER and is_lost(neighbours, rebuilt),
                ndcg_new=shares.get((1, 0)),
                ndcg_new_rebuilt=shares.get((1, 1)),
                ndcg_old=shares[0, 0],
                ndcg_old_rebuilt=shares[0, 1],
            )


def share(
    asked: Encoded, documents: Rows, ids: Sequence[str], transform: Transform, count: int | None
) -> float:
    """nDCG@10 as a share of that of whole vectors, over queries about documents that are there."""
    test = asked.test if count is None else asked.test.part(count)
    places = {id: place for place, id in enumerate(asked.test.queries)}
    queries = asked.queries[[places[id] for id in test.queries]]
    grades = [test.judgments[id] for id in test.queries]
    whole = queries @ documents.T
    cut = unit_rows(transform.rotate_queries(queries)) @ unit_rows(transform.rotate(documents)).T
    means = []
    for scores in (cut, whole):
        ranked = np.argsort(-scores, axis=1, kind="stable")[:, :_SHOWN]
        found = [[ids[place] for place in places] for places in ranked]
        means.append(
            float(np.mean([ndcg(f, g, _SHOWN) for f, g in zip(found, grades, strict=True)]))
        )
    return means[0] / means[1]


def _line(found: Measured) -> str:
    new = [found.ndcg_new, found.ndcg_new_rebuilt]
    shown = ["" if each is None else f"{each:.1%}" for each in new]
    return (
        f"| {found.fitted_on} | {found.new:,} | {found.dimensions} | {found.length_of_sample:.1%} "
        f"| {found.length:.1%} | {found.neighbours:.1%} | {found.rebuilt:.1%} "
        f"| {'warning' if found.warns else 'OK'} | {' | '.join(shown)} "
        f"| {found.ndcg_old:.1%} | {found.ndcg_old_rebuilt:.1%} |"
    )


if __name__ == "__main__":
    main()
