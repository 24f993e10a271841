"""The measurement itself, in stages that each leave what they found in the results."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pymongo import MongoClient

from leafsearch.config import STORAGES, Settings, load
from leafsearch.doctor import Examination, Severity, examine
from leafsearch.evaluation import CachedModel, Judged, TestCollection, evaluate
from leafsearch.evaluation.cached_rows import Milliseconds
from leafsearch.evaluation.trial import PREFIX
from leafsearch.ingest import Choices, Document, Rejects, ingest, open_target
from leafsearch.search import Searcher
from leafsearch.vectors import (
    Encoder,
    check_alignment,
    explain_errors,
    load_encoder,
    load_student,
)
from leafsearch.vectors.store import MANIFESTS, TRANSFORMS
from published_pair.results import MeasureError, Names, Place, Results

SAMPLE = "sample"  # the collection that goes the whole way
_SAMPLED = 200  # documents
_TIMED, _WARM_UP = 50, 3  # queries
_WAIT = 600.0  # seconds, for an index
_OURS = (SAMPLE, MANIFESTS, TRANSFORMS, "leaf_writers")

Say = Callable[[str], None]


def place_of(client: MongoClient[Any], uri: str, database: str) -> Place:
    with explain_errors():
        version = client.server_info()["version"]
    kind = "Atlas" if ".mongodb.net" in uri else "leafmongo" if "gateway.sock" in uri else ""
    return Place(f"MongoDB {version}" + (f" ({kind})" if kind else ""), database)


def require_own(client: MongoClient[Any], database: str) -> None:
    """Raises MeasureError if the database has collections that no run of this made.

    Drops what an interrupted run left of its measurements.
    """
    with explain_errors():
        names = client[database].list_collection_names()
        theirs = sorted(n for n in names if n not in _OURS and not n.startswith(PREFIX))
        if theirs:
            raise MeasureError(
                f"database {database} holds collections of others ({', '.join(theirs[:3])}); "
                "expected an empty one. Name another with --database"
            )
        for name in names:
            if name.startswith(PREFIX):
                client[database].drop_collection(name)
        client[database][MANIFESTS].delete_many({"_id": {"$regex": f"^{PREFIX}"}})


def clear(client: MongoClient[Any], database: str) -> None:
    with explain_errors():
        client.drop_database(database)


def measure(
    results: Results, test: TestCollection, client: MongoClient[Any], uri: str, say: Say
) -> None:
    """Do what `results` lack. Raises what loading, writing and searching raise."""
    if not results.pair:
        say(f"loading {results.names.teacher} and {results.names.student}")
        results.pair = _compared(results.names, list(test.queries.values()))
        results.save()
    say(f"aligned: mean cosine {results.pair['alignment']:.3f}")
    if not results.ingested:
        results.ingested = _ingested(results, test, client, uri, say)
        results.save()

    def on_row(row: Judged) -> None:
        results.rows.append(row)
        results.save()

    names = results.names
    report = evaluate(
        test,
        {
            "teacher": CachedModel(names.teacher, "teacher"),
            "student": CachedModel(names.student, "student"),
        },
        client,
        results.database,
        say,
        known=tuple(results.rows),
        on_row=on_row,
    )
    results.rows, results.left_out = list(report.rows), list(report.warnings)
    results.save()


def _compared(names: Names, queries: Sequence[str]) -> dict[str, Any]:
    """The models at their revisions, their alignment, and the time of one query by each."""
    teacher, student = load_encoder(names.teacher), load_student(names.student)
    found = check_alignment(teacher, student)
    return {
        "teacher": _model(teacher, queries),
        "student": _model(student, queries),
        "alignment": found.cosine,
        "encode_precision": teacher.encode_precision,
    }


def _model(model: Encoder, queries: Sequence[str]) -> dict[str, Any]:
    for query in queries[:_WARM_UP]:
        model.encode_queries([query])
    taken = []
    for query in queries[:_TIMED]:
        start = time.perf_counter()
        model.encode_queries([query])
        taken.append(time.perf_counter() - start)
    latency = Milliseconds.of(taken)
    return {
        "name": model.name,
        "revision": model.revision,
        "dimensions": model.dimensions,
        "query_p50_ms": latency.p50,
        "query_p95_ms": latency.p95,
    }


def _ingested(
    results: Results, test: TestCollection, client: MongoClient[Any], uri: str, say: Say
) -> dict[str, Any]:
    """Ingest some documents, search them and examine the collection, as users do."""
    some = test.passages[:_SAMPLED]
    say(f"ingesting {len(some)} documents")
    database = client[results.database]
    with explain_errors():
        database.drop_collection(SAMPLE)
        database[MANIFESTS].delete_one({"_id": SAMPLE})
    names = results.names
    usual = STORAGES[Settings().storage].dimensions or 0
    settings = load(
        {},
        storage=None if usual <= results.pair["teacher"]["dimensions"] else "full",
        teacher=names.teacher,
        student=names.student,
        database=results.database,
        collection=SAMPLE,
    )
    target = open_target(database, settings, Choices())
    started = time.perf_counter()
    with TemporaryDirectory() as folder:
        documents = [Document(p.id, p.text, p.title, {"title": p.title}) for p in some if p.encoded]
        summary = ingest(documents, target, rejects=Rejects(Path(folder, "rejects.jsonl")))
    seconds = time.perf_counter() - started
    target.collection.wait_until_ready(summary.last_written, seconds=_WAIT, on_status=say)
    manifest = target.manifest
    target.close()
    with Searcher.open(uri, settings) as searcher:
        hits = searcher.search(next(iter(test.queries.values())), k=3)
    say("examining the collection")
    findings = list(examine(Examination(uri=uri, settings=settings, seconds=_WAIT)))
    return {
        "chunks": summary.chunks,
        "seconds": round(seconds, 1),
        "form": f"{manifest.dimensions} x {manifest.precision}",
        "hits": len(hits),
        "doctor": [
            f"{f.level}: {f.check}: {f.message}"
            for f in findings
            if f.level in (Severity.PROBLEM, Severity.WARNING)
        ],
    }
