"""`leaf-search doctor`: parse the options, call one function, print."""

from functools import partial
from typing import Annotated

import typer

from leafsearch.config import ConfigError
from leafsearch.config.cli import MODELS, Collection, Database, Home, Uri, new_command, option
from leafsearch.config.command import FAILED, one_line_errors, say, say_warnings, settings
from leafsearch.config.hint import line_of
from leafsearch.config.text import is_unicode
from leafsearch.doctor.context import Examination
from leafsearch.doctor.findings import Severity, print_finding, print_summary
from leafsearch.doctor.run import examine
from leafsearch.vectors.store import deployment_uri

_THEIRS, _EFFORT = "Collections of other programs", "How much is checked"

_say = partial(say, "leaf-search")

app, register = new_command()


@register
def command(
    context: typer.Context,
    collection: Collection = None,
    uri: Uri = None,
    as_json: Annotated[bool, option("Print one JSON object a line.", "--json")] = False,
    path: Annotated[
        str | None,
        option("Field of the vectors. Default: from the manifest.", metavar="PATH", panel=_THEIRS),
    ] = None,
    index: Annotated[
        str | None,
        option(
            "Name of the index. Default: from the manifest, or the only one.",
            metavar="NAME",
            panel=_THEIRS,
        ),
    ] = None,
    text_field: Annotated[
        str | None,
        option("Field of the texts. Default: from the manifest.", metavar="PATH", panel=_THEIRS),
    ] = None,
    teacher: Annotated[
        str | None, option("Model that made the vectors.", metavar="MODEL", panel=MODELS)
    ] = None,
    student: Annotated[
        str | None, option("Model that encodes queries.", metavar="MODEL", panel=MODELS)
    ] = None,
    num_candidates: Annotated[
        int | None,
        option(
            "Judge searches with N candidates. Default: as leaf-search.",
            metavar="N",
            min=20,
            max=10_000,
            panel=_EFFORT,
        ),
    ] = None,
    sample: Annotated[
        int,
        option(
            "Look at N documents. Default: 1000.", metavar="N", min=1, max=100_000, panel=_EFFORT
        ),
    ] = 1000,
    queries: Annotated[
        int,
        option(
            "Search with N stored vectors. Default: 10.",
            metavar="N",
            min=1,
            max=1000,
            panel=_EFFORT,
        ),
    ] = 10,
    seconds: Annotated[
        float,
        option("Stop after this time. Default: 60.", metavar="SECONDS", min=1, panel=_EFFORT),
    ] = 60.0,
    database: Database = None,
    home: Home = None,
) -> None:
    """Check a collection and its index, and print what to do.

    The doctor writes nothing. It checks collections of other programs too.

    Examples:

      leaf-search doctor --collection articles

      leaf-search doctor --path embedding --index vector_index --json

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
        order = Examination(
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


def _report(order: Examination, as_json: bool) -> None:
    findings = []
    for finding in examine(order):
        print_finding(finding, as_json)
        findings.append(finding)
    if not as_json:
        print_summary(findings)
    if any(finding.level is Severity.PROBLEM for finding in findings):
        raise typer.Exit(FAILED)
