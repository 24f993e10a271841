"""Writes the card of a student: a README.md that model hubs understand."""

from collections.abc import Sequence
from dataclasses import dataclass

from leafsearch.distill.publish.measure import Latency, Quality
from leafsearch.distill.request import Distilled, DistillRequest
from leafsearch.distill.static.recipe import StaticRecipe
from leafsearch.distill.train.recipe import Recipe
from leafsearch.vectors import Alignment


@dataclass(frozen=True)
class Facts:
    distilled: Distilled
    alignment: Alignment
    latency: Latency | None
    quality: Sequence[Quality]
    seconds: float
    command: str
    versions: str


def write_card(order: DistillRequest, facts: Facts) -> str:
    return "\n".join(
        [
            *_head(order, facts),
            *_measured(facts),
            *_quality(facts.quality),
            *_made(order, facts),
            *_use(order),
        ]
    )


def _head(order: DistillRequest, facts: Facts) -> list[str]:
    return [
        "---",
        "library_name: sentence-transformers",
        "pipeline_tag: sentence-similarity",
        "tags: [sentence-transformers, leaf, distillation, asymmetric-retrieval]",
        "---",
        f"# {order.out.name}",
        "",
        f"A query encoder in the vector space of `{order.teacher}` (revision "
        f"`{facts.distilled.teacher.revision}`), distilled from it without labels by leafsearch "
        "after LEAF (arXiv 2509.12539). The teacher encodes the documents, this model the queries.",
        "",
    ]


def _measured(facts: Facts) -> list[str]:
    done = facts.distilled
    return [
        "## Measured",
        "",
        "| what | figure |",
        "|---|---|",
        f"| mean cosine to the teacher, {done.held_out:,} texts that were held out | "
        f"{done.cosine:.4f} (before training {done.cosine_before:.4f}) |",
        f"| alignment as ingest checks it: cosine, margin | {facts.alignment.cosine:.3f}, "
        f"{facts.alignment.margin:.3f} |",
        f"| one short query, without torch | {_speed(facts.latency)} |",
        "",
    ]


def _speed(latency: Latency | None) -> str:
    if latency is None:
        return "not measured, because the teacher cannot be exported"
    return (
        f"{latency.student:.2f} ms, {latency.shown_share} of the teacher's {latency.teacher:.2f} ms"
    )


def _quality(rows: Sequence[Quality]) -> list[str]:
    if not rows:
        return ["nDCG@10 was not measured (`leaf-distill --evaluate FOLDER_OR_ZIP`).", ""]
    return [
        "| test | documents / queries | stored as | dimensions | nDCG@10 | of the teacher alone |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row.test} | {row.who} | {row.format} | {row.dimensions} | {row.ndcg:.4f} | "
            f"{row.of_teacher:.1%} |"
            for row in rows
        ),
        "",
    ]


def _made(order: DistillRequest, facts: Facts) -> list[str]:
    return [
        "## How it was made",
        "",
        f"    {facts.command}",
        "",
        f"{facts.distilled.examples:,} texts of at most {order.texts.words} words from "
        f"{', '.join(order.texts.paths)}{_queries(order)}. {_began(order, facts.distilled)} "
        f"{_static(order.static) if order.static else _recipe(order.recipe)} {_took(facts)}; "
        f"{facts.versions}.",
        "",
    ]


def _queries(order: DistillRequest) -> str:
    if order.texts.queries and order.texts.draws_always:
        return f", queries made of them, and queries from {order.texts.queries}"
    if order.texts.queries:
        return f" and queries from {order.texts.queries}"
    return ", with queries made of their titles, sentences and spans of words"


def _began(order: DistillRequest, done: Distilled) -> str:
    if order.static:
        return "It is a table; each row began as the teacher's vector of its token."
    if order.student:
        return f"It began as the transformer of `{order.student}`."
    return f"It began as layers {', '.join(map(str, done.layers))} of the teacher, from 0."


def _took(facts: Facts) -> str:
    seconds = facts.seconds
    took = f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
    if facts.distilled.resumed:
        return f"{took} from step {facts.distilled.resumed:,} on, where a killed run was resumed"
    return took


def _recipe(recipe: Recipe) -> str:
    more = ""
    if recipe.truncated:
        more += f", also at {', '.join(map(str, recipe.truncated))} dimensions"
    if recipe.bits:
        more += f", signs weighing {recipe.bits:g}"
    trained = "trained as well" if recipe.trains_embeddings else "left as they were"
    return (
        f"Squared distance to the teacher's vectors{more}; AdamW, {recipe.cycles} x "
        f"{recipe.epochs} epochs, batches of {recipe.rows}, learning rate {recipe.peak:g} to "
        f"{recipe.floor:g} in each cycle, seed {recipe.seed}; token embeddings {trained}."
    )


def _static(recipe: StaticRecipe) -> str:
    grown = f" {recipe.vocabulary:,} entries wanted in the vocabulary," if recipe.vocabulary else ""
    return (
        f"Cosine to the teacher's vectors, all texts first, then queries;{grown} SparseAdam, "
        f"{recipe.epochs} epochs, batches of {recipe.rows}, learning rate {recipe.peak:g} falling "
        f"to 0, rows held near their beginning by {recipe.pull:g}, seed {recipe.seed}; rows "
        f"rounded to {recipe.bits} bits with a scale each."
    )


def _use(order: DistillRequest) -> list[str]:
    lengths = "Its vectors are not of unit length; compare by cosine, or normalise."
    return [
        "## Use",
        "",
        "    LEAF_TEACHER=... LEAF_STUDENT=this folder leaf-ingest ... ; leaf-search ...",
        "",
        "or `SentenceTransformer(folder).encode_query(...)` beside documents from the teacher.",
        *([] if order.static else [lengths]),
        "",
    ]
