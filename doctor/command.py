"""`leaf-search doctor`: parses, wires the parts together, prints."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from leafsearch.config import ConfigError
from leafsearch.config.command import FAILED, one_line_errors, say, say_warnings, settings
from leafsearch.config.hint import line_of
from leafsearch.config.text import is_unicode
from leafsearch.config.usage import Command
from leafsearch.doctor.context import Order
from leafsearch.doctor.findings import Level, print_finding, print_summary
from leafsearch.doctor.run import examine
from leafsearch.vectors.store import deployment_uri

_say = partial(say, "leaf-search")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _option(help: str, *names: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, show_default=False, **more)


@app.command(cls=Command)
def command(
    context: typer.Context,
    path: Annotated[
        str | None, _option("Where the vectors are. Default: as the manifest says.")
    ] = None,
    index: Annotated[str | None, _option("Default: as the manifest says, or the only one.")] = None,
    text_field: Annotated[
        str | None, _option("Where the texts are. Default: as leaf-ingest writes them.")
    ] = None,
    teacher: Annotated[str | None, _option("Model that made the vectors.", metavar="MODEL")] = None,
    student: Annotated[
        str | None, _option("Model that encodes questions.", metavar="MODEL")
    ] = None,
    num_candidates: Annotated[
        int | None,
        _option(
            "Of the searches to judge. Default: as leaf-search has it.",
            metavar="N",
            min=20,
            max=10_000,
        ),
    ] = None,
    sample: Annotated[
        int, _option("Documents to look at. Default: 1000.", metavar="N", min=1, max=100_000)
    ] = 1000,
    queries: Annotated[
        int, _option("Stored vectors to search with. Default: 10.", metavar="N", min=1, max=1000)
    ] = 10,
    seconds: Annotated[float, _option("Longest time. Default: 60.", metavar="N", min=1)] = 60.0,
    as_json: Annotated[bool, _option("One JSON object a line.", "--json")] = False,
    uri: Annotated[
        str | None, _option("Default: MONGODB_URI, else the local deployment of leaf-mongo.")
    ] = None,
    database: Annotated[str | None, _option("Default: leaf.")] = None,
    collection: Annotated[str | None, _option("Default: chunks.")] = None,
    home: Annotated[Path | None, _option("Folder of the local deployment.")] = None,
) -> None:
    """Check a deployment, a collection and its vector index: one line each, OK or what to do.

    Nothing is written. Collections of other programs are checked as well.

    Examples:

      leaf-search doctor --collection articles

      leaf-search doctor --path embedding --index vector_index --text-field body --json

    Exit codes: 0 no problem (there may be warnings), 1 a problem or failed, 2 wrong usage.
    """
    say_warnings("leaf-search")
    line = line_of("leaf-search doctor", context)
    with one_line_errors("leaf-search", line=line):
        chosen = settings(
            mongodb_uri=uri,
            database=database,
            collection=collection,
            home=home,
            teacher=teacher,
            student=student,
        )
        named = {"--path": path, "--index": index, "--text-field": text_field}
        if unfit := [option for option, name in named.items() if not is_unicode(name or "")]:
            raise ConfigError(
                [f"{option}: expected a name in UTF-8" for option in unfit], is_usage=True
            )
        order = Order(
            uri=deployment_uri(chosen, _say),
            settings=chosen,
            path=path,
            index=index,
            text_field=text_field,
            num_candidates=num_candidates,
            sample=sample,
            queries=queries,
            seconds=seconds,
        )
        _report(order, as_json)


def _report(order: Order, as_json: bool) -> None:
    findings = []
    for finding in examine(order):
        print_finding(finding, as_json)
        findings.append(finding)
    if not as_json:
        print_summary(findings)
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise typer.Exit(FAILED)


def main(arguments: Sequence[str]) -> None:
    """Ends the process, with the exit code."""
    app(list(arguments), prog_name="leaf-search doctor")
