"""All of `leaf-distill` after its options: distil, publish, measure, write the card."""

import json
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from leafsearch.config import Settings
from leafsearch.config.command import settings
from leafsearch.config.hint import hint
from leafsearch.distill.order import Order
from leafsearch.distill.publish.card import Facts, Quality, card
from leafsearch.distill.publish.measure import alignment, forget, latency
from leafsearch.distill.publish.publish import README, published
from leafsearch.distill.run import Distilled, Listener, distil
from leafsearch.distill.train.progress import Progress, say
from leafsearch.distill.train.work_dir import remove
from leafsearch.evaluation import CachedModel, TestCollection, evaluate, read_collection
from leafsearch.evaluation.formats import Format, Role
from leafsearch.vectors import connect
from leafsearch.vectors.encoders import MINIMUM_COSINE
from leafsearch.vectors.store import deployment_uri


def distil_and_publish(
    order: Order, home: Path | None, as_json: bool, command: Sequence[str]
) -> None:
    started = time.monotonic()
    progress = Progress()
    listener = Listener(say, progress.encoded, progress.trained, progress.rejected)
    tests = [read_collection(path) for path in order.evaluated]  # wrong ones before the work
    pair = {"teacher": order.teacher, "student": str(order.out)}
    chosen = settings(home=home, **pair) if tests else Settings()
    if tests and chosen.uri:
        connect(chosen.uri).close()  # a local one is started when it is needed
    done = distil(order, listener)
    seconds = time.monotonic() - started
    with published(done.student, order.out) as folder:
        try:
            facts = Facts(
                distilled=done,
                alignment=alignment(done.teacher, str(folder)),
                latency=latency(done.teacher, str(folder)),
                quality=[row for test in tests for row in _quality(order, test, folder, chosen)],
                seconds=seconds,
                command=shlex.join(command),
                versions=", ".join(f"{p} {version(p)}" for p in ("torch", "sentence-transformers")),
            )
        finally:
            forget(folder)
        (folder / README).write_text(card(order, facts), encoding="utf-8")
    if not order.keeps_work:
        remove(order.work)
    _tell(order, facts, as_json)


def _quality(
    order: Order, test: TestCollection, folder: Path, chosen: Settings
) -> Iterator[Quality]:
    models: dict[Role, CachedModel] = {
        "teacher": CachedModel(order.teacher, "teacher"),
        "student": CachedModel(str(folder), "student"),
    }
    with closing(connect(deployment_uri(chosen, say))) as client:
        report = evaluate(test, models, client, chosen.database, say)
    alone = next(row.ndcg for row in report.rows if _who(row.format) == "teacher / teacher") or 1.0
    for row in report.rows:
        found, format = row.ndcg, row.format
        form = format.storage.precision if format.alone else format.name
        yield Quality(
            report.collection, _who(format), form, format.dimensions, found, found / alone
        )


def _who(format: Format) -> str:
    return f"{format.documents} / {format.queries}"


def _tell(order: Order, facts: Facts, as_json: bool) -> None:
    done: Distilled = facts.distilled
    if as_json:
        told = {
            "out": str(order.out),
            "examples": done.examples,
            "held_out": done.held_out,
            "cosine": done.cosine,
            "cosine_before": done.cosine_before,
            "alignment": asdict(facts.alignment),
            "latency": asdict(facts.latency) if facts.latency else None,
            "quality": [asdict(row) for row in facts.quality],
            "seconds": facts.seconds,
        }
        print(json.dumps(told, indent=2))
        return
    share = f", {facts.latency.share:.0%} of its time for a query" if facts.latency else ""
    print(f"{order.out}: mean cosine {done.cosine:.3f} to the teacher on held-out texts{share}")
    for row in facts.quality:
        print(
            f"{row.test}, {row.who}, {row.format} {row.dimensions}: nDCG@10 {row.ndcg:.4f}, "
            f"{row.of_teacher:.1%} of the teacher alone"
        )
    if facts.alignment.is_enough:
        pair = ("--teacher", order.teacher, "--student", str(order.out))
        print(f"use it: {hint('leaf-ingest', 'PATH', *pair)}; see {order.out}/README.md")
        return
    # A folder of its own, as everything that is made with other numbers.
    other = ["--out", f"{order.out}_2", "--epochs", str(2 * order.recipe.epochs)]
    if order.keeps_work:
        other += ["--work", f"{order.work}_2"]
    again = hint("leaf-distill", *other, whole=True)
    print(
        f"not to be used yet: on texts of all kinds its cosine to the teacher is "
        f"{facts.alignment.cosine:.2f}, and leaf-ingest takes {MINIMUM_COSINE} or more; give more "
        f"texts, of more kinds, or train longer, as with {again}"
    )
