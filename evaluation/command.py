"""`leaf-search eval`: parse the options, call one function, print."""

import json
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from leafsearch.config import Settings
from leafsearch.config.cli import MODELS, Collection, Database, Home, Uri, new_command, option
from leafsearch.config.command import (
    WRONG_USAGE,
    one_line_errors,
    say,
    say_warnings,
    settings,
)
from leafsearch.config.hint import line_of
from leafsearch.config.presets import PRESETS
from leafsearch.evaluation.cached_rows import CachedModel
from leafsearch.evaluation.collection import read_collection
from leafsearch.evaluation.errors import EvalError
from leafsearch.evaluation.formats import Role
from leafsearch.evaluation.judged import evaluate
from leafsearch.evaluation.report import Report, SweepReport, print_json, print_report, print_sweep
from leafsearch.evaluation.sweep import SweepOptions, sweep
from leafsearch.vectors import connect
from leafsearch.vectors.store import deployment_uri

_say = partial(say, "leaf-search")

_SELF = "Measuring your own vectors, with --self"

app, register = new_command(no_args_is_help=True)


@register
def command(
    context: typer.Context,
    path: Annotated[
        Path | None, typer.Argument(metavar="FOLDER_OR_ZIP", show_default=False)
    ] = None,
    itself: Annotated[
        bool, option("Measure an existing collection, which has no judgments.", "--self")
    ] = False,
    split: Annotated[
        str, option("Judge by qrels/NAME.tsv. Default: test.", metavar="NAME")
    ] = "test",
    pictures: Annotated[
        Path | None, option("Draw into this folder, as PNG and SVG.", metavar="FOLDER")
    ] = None,
    as_json: Annotated[
        bool, option("Print one JSON object instead of the table.", "--json")
    ] = False,
    collection: Collection = None,
    uri: Uri = None,
    preset: Annotated[
        str | None,
        option(
            f"Use this pair of models: {', '.join(PRESETS)}. Default: leaf-mt.",
            metavar="NAME",
            values=list(PRESETS),
        ),
    ] = None,
    queries: Annotated[
        Path | None,
        option(
            "Read queries, one a line or JSON Lines with text. Default: sampled.",
            metavar="FILE",
            panel=_SELF,
        ),
    ] = None,
    samples: Annotated[
        int,
        option("Sample N queries. Default: 50.", metavar="N", min=1, max=10_000, panel=_SELF),
    ] = 50,
    k: Annotated[
        int, option("Compare N hits. Default: 10.", "-k", metavar="N", min=1, panel=_SELF)
    ] = 10,
    most: Annotated[
        int,
        option(
            "Go up to N candidates. Default: 1000.",
            "--most-candidates",
            metavar="N",
            min=10,
            max=10_000,
            panel=_SELF,
        ),
    ] = 1000,
    in_place: Annotated[
        bool,
        option(
            "Measure only the format that the collection has; write nothing.",
            "--in-place",
            panel=_SELF,
        ),
    ] = False,
    teacher: Annotated[
        str | None,
        option("Encode documents with this model.", metavar="MODEL", panel=MODELS),
    ] = None,
    student: Annotated[
        str | None, option("Encode queries with this model.", metavar="MODEL", panel=MODELS)
    ] = None,
    database: Database = None,
    home: Home = None,
) -> None:
    """Measure how much quality each storage format keeps.

    On a test collection in BEIR's format, each document is encoded once; each storage format is
    made from these vectors, put into MongoDB for the time of its measurement, and searched as
    usual. With --self, the overlap with exact search is measured as numCandidates grows.

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
            asked = SweepOptions(
                questions=questions, samples=samples, k=k, most=max(most, k), in_place=in_place
            )
            report = _swept(chosen, asked)
        _show(report, as_json, pictures)


def _judged(path: Path, split: str, chosen: Settings) -> Report:
    test = read_collection(path, split=split)
    for warning in test.warnings:
        _say(f"{test.name}: {warning}")
    pair, key = chosen.pair, chosen.key
    models: dict[Role, CachedModel] = {
        "teacher": CachedModel(pair.teacher, "teacher", key, chosen.encode_precision),
        "student": CachedModel(pair.student, "student", key),
    }
    with closing(connect(_deployment(chosen))) as client:
        return evaluate(test, models, client, chosen.database, _say)


def _swept(chosen: Settings, asked: SweepOptions) -> SweepReport:
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

        drawn = draw(report, pictures)
        for file in drawn:
            _say(f"drew {file}")
        if not drawn:
            _say("drew no picture: there is one format, and nothing to compare it with")


def _demand_matplotlib() -> None:
    """Before the work, not after it."""
    if find_spec("matplotlib") is None:
        raise EvalError("--pictures needs matplotlib: pip install 'leafsearch[eval]'")
