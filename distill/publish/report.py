"""Prints the outcome of `leaf-distill` on stdout, for a person or as JSON."""

import json
from dataclasses import asdict

from leafsearch.config.hint import hint
from leafsearch.distill.publish.card import Facts
from leafsearch.distill.request import Distilled, DistillRequest
from leafsearch.vectors.encoders import MINIMUM_COSINE


def report(order: DistillRequest, facts: Facts, as_json: bool) -> None:
    done: Distilled = facts.distilled
    if as_json:
        summary = {
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
        print(json.dumps(summary, indent=2))
        return
    share = f", {facts.latency.shown_share} of its time for a query" if facts.latency else ""
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
    # Other settings need a folder of their own.
    epochs = (order.static or order.recipe).epochs
    other = ["--out", f"{order.out}_2", "--epochs", str(2 * epochs)]
    if order.keeps_work:
        other += ["--work", f"{order.work}_2"]
    again = hint("leaf-distill", *other, whole=True)
    print(
        f"not usable yet: on texts of all kinds its cosine to the teacher is "
        f"{facts.alignment.cosine:.2f}, and leaf-ingest needs {MINIMUM_COSINE} or more; give more "
        f"texts, of more kinds, or train longer, for example with {again}"
    )
