"""`leaf-search eval`: parses, wires the parts together, prints."""

import json
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from leafsearch.config import Settings
from leafsearch.config.command import (
    WRONG_USAGE,
    one_line_errors,
    say,
    say_warnings,
    settings,
)
from leafsearch.config.hint import line_of
from leafsearch.config.usage import Command
from leafsearch.evaluation.cached_rows import Model
from leafsearch.evaluation.collection import read_collection
from leafsearch.evaluation.errors import EvalError
from leafsearch.evaluation.formats import Role
from leafsearch.evaluation.judged import evaluate
from leafsearch.evaluation.report import Report, SweepReport, print_json, print_report, print_sweep
from leafsearch.evaluation.sweep import Asked, sweep
from leafsearch.vectors import connect
from leafsearch.vectors.store import deployment_uri

_say = partial(say, "leaf-search")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _option(help: str, *names: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, show_default=False, **more)


@app.command(cls=Command, no_args_is_help=True)
def command(
    context: typer.Context,
    path: Annotated[
        Path | None, typer.Argument(metavar="FOLDER_OR_ZIP", show_default=False)
    ] = None,
    itself: Annotated[
        bool, _option("Measure an existing collection, which has no judgments.", "--self")
    ] = False,
    split: Annotated[
        str, _option("Which qrels/SPLIT.tsv. Default: test.", metavar="NAME")
    ] = "test",
    queries: Annotated[
        Path | None,
        _option("With --self: a query a line, or JSON Lines with text. Default: sampled."),
    ] = None,
    samples: Annotated[
        int,
        _option("With --self: how many to sample. Default: 50.", metavar="N", min=1, max=10_000),
    ] = 50,
    k: Annotated[int, _option("With --self: hits to compare. Default: 10.", "-k", min=1)] = 10,
    most: Annotated[
        int,
        _option(
            "With --self: largest num_candidates. Default: 1000.",
            "--most-candidates",
            metavar="N",
            min=10,
            max=10_000,
        ),
    ] = 1000,
    in_place: Annotated[
        bool, _option("With --self: only the format it has, and write nothing.", "--in-place")
    ] = False,
    pictures: Annotated[
        Path | None, _option("Draw into this folder, as PNG and SVG.", metavar="FOLDER")
    ] = None,
    as_json: Annotated[bool, _option("One JSON object instead of the table.", "--json")] = False,
    preset: Annotated[str | None, _option("leaf-mt (default), leaf-ir or offline.")] = None,
    teacher: Annotated[str | None, _option("Model for documents.", metavar="MODEL")] = None,
    student: Annotated[str | None, _option("Model for queries.", metavar="MODEL")] = None,
    uri: Annotated[
        str | None, _option("Default: MONGODB_URI, else the local deployment of leaf-mongo.")
    ] = None,
    database: Annotated[str | None, _option("Default: leaf.")] = None,
    collection: Annotated[str | None, _option("With --self. Default: chunks.")] = None,
    home: Annotated[Path | None, _option("Folder of the local deployment.")] = None,
) -> None:
    """Measure what storage formats keep, on a test collection or on your own vectors.

    A test collection in BEIR's format is encoded once; every format is made of the same vectors,
    put into MongoDB for the time of its measurement, and asked through the ordinary search.
    With --self, overlap with exact search is measured, as num_candidates grows.

    Examples:

      leaf-search eval nfcorpus.zip --preset offline --pictures figures

      leaf-search eval --self --collection articles --queries questions.txt --json

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    say_warnings("leaf-search")
    if (path is None) is not itself:
        _say("give either FOLDER_OR_ZIP or --self")
        raise typer.Exit(WRONG_USAGE)
    line = line_of("leaf-search eval", context)
    with one_line_errors("leaf-search", line=line):
        if pictures:
            _demand_matplotlib()
        chosen = settings(
            mongodb_uri=uri,
            database=database,
            collection=collection,
            home=home,
            preset=preset,
            teacher=teacher,
            student=student,
        )
        report: Report | SweepReport
        if path:
            report = _judged(path, split, chosen)
        else:
            questions = _questions(queries) if queries else None
            asked = Asked(
                questions=questions, samples=samples, k=k, most=max(most, k), in_place=in_place
            )
            report = _swept(chosen, asked)
        _show(report, as_json, pictures)


def _judged(path: Path, split: str, chosen: Settings) -> Report:
    test = read_collection(path, split=split)
    for warning in test.warnings:
        _say(f"{test.name}: {warning}")
    pair, key = chosen.pair, chosen.key
    models: dict[Role, Model] = {
        "teacher": Model(pair.teacher, "teacher", key, chosen.encode_precision),
        "student": Model(pair.student, "student", key),
    }
    with closing(connect(_deployment(chosen))) as client:
        return evaluate(test, models, client, chosen.database, _say)


def _swept(chosen: Settings, asked: Asked) -> SweepReport:
    with closing(connect(_deployment(chosen))) as client:
        return sweep(client, chosen, asked, _say)


def _deployment(chosen: Settings) -> str:
    return deployment_uri(chosen, _say)


def _questions(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EvalError(f"--queries {file}: cannot be read: {error}") from error
    found = [_question(line) for line in lines if line.strip()]
    if not found:
        raise EvalError(f"--queries {file}: empty; expected a query a line")
    return found


def _question(line: str) -> str:
    try:
        record = json.loads(line)
    except ValueError:
        return line.strip()
    return str(record["text"]) if isinstance(record, dict) and "text" in record else line.strip()


def _show(report: Report | SweepReport, as_json: bool, pictures: Path | None) -> None:
    if as_json:
        print_json(report)
    elif isinstance(report, Report):
        print_report(report)
    else:
        print_sweep(report)
    if pictures:
        from leafsearch.evaluation.pictures import draw

        for file in draw(report, pictures):
            _say(f"drew {file}")


def _demand_matplotlib() -> None:
    """Before the work, not after it."""
    if find_spec("matplotlib") is None:
        raise EvalError("--pictures needs matplotlib: pip install 'leafsearch[eval]'")


def main(arguments: Sequence[str]) -> None:
    """Ends the process, with the exit code."""
    app(list(arguments), prog_name="leaf-search eval")
