"""`leaf-search`: parses, wires the parts together, prints."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from leafsearch.config.command import (
    leave_at_once,
    one_line_errors,
    say,
    say_warnings,
    settings,
)
from leafsearch.config.hint import line_of
from leafsearch.config.text import shorten
from leafsearch.config.usage import Command
from leafsearch.search.errors import QueryError
from leafsearch.search.output import print_context, print_hits
from leafsearch.search.query import Options, check_questions, checked
from leafsearch.search.rerank import CrossEncoder
from leafsearch.search.searcher import Searcher
from leafsearch.vectors.store import NotExtendedJson, deployment_uri, parse_extended_json

_say = partial(say, "leaf-search")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _option(help: str, *names: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, show_default=False)


@app.command(cls=Command, no_args_is_help=True)
def command(
    context: typer.Context,
    questions: Annotated[list[str], typer.Argument(metavar="QUESTION", show_default=False)],
    k: Annotated[int, _option("Number of hits. Default: 10.", "-k", metavar="N")] = 10,
    skip: Annotated[
        int | None, _option("Leave out the first N: pages of -k, the first with 0.", metavar="N")
    ] = None,
    filter: Annotated[
        str | None,
        _option("Extended JSON on declared paths.", "--filter", metavar="JSON"),
    ] = None,
    hybrid: Annotated[bool, _option("Search the words of the text as well.", "--hybrid")] = False,
    weights: Annotated[
        str | None,
        _option("Of vectors and text in --hybrid. Default: 1,1.", metavar="VECTORS,TEXT"),
    ] = None,
    by_document: Annotated[
        bool, _option("Only the best passage of each document.", "--by-document")
    ] = False,
    neighbours: Annotated[
        int, _option("Show N passages before and after each hit with it.", metavar="N")
    ] = 0,
    diversity: Annotated[
        float, _option("0 to 1: how much hits may not resemble each other.", metavar="SHARE")
    ] = 0.0,
    min_similarity: Annotated[
        float | None, _option("Least cosine of a hit, -1 to 1.", metavar="COSINE")
    ] = None,
    rerank: Annotated[
        str | None, _option("Rerank the best hits with this cross-encoder.", metavar="MODEL")
    ] = None,
    exact: Annotated[bool, _option("Compare with every vector.", "--exact")] = False,
    num_candidates: Annotated[
        int | None,
        _option("How many the server looks at. Default: 20 per hit or more.", metavar="N"),
    ] = None,
    rescore: Annotated[
        int, _option("Candidates per hit to re-score, for binary vectors. Default: 4.", metavar="N")
    ] = 4,
    max_time_ms: Annotated[
        int | None, _option("Longest time for an answer of the server.", metavar="MS")
    ] = None,
    max_tokens: Annotated[
        int | None,
        _option("Print one text for a language model instead, of so many tokens.", metavar="N"),
    ] = None,
    as_json: Annotated[bool, _option("One JSON object a line, with full texts.", "--json")] = False,
    uri: Annotated[
        str | None, _option("Default: MONGODB_URI, else the local deployment of leaf-mongo.")
    ] = None,
    database: Annotated[str | None, _option("Default: leaf.")] = None,
    collection: Annotated[str | None, _option("Default: chunks.")] = None,
    home: Annotated[Path | None, _option("Folder of the local deployment.")] = None,
) -> None:
    """Find the passages that answer a question, or each of several.

    The model that encodes a question is the one that the collection was made for.

    Examples:

      leaf-search "how do I close a file in any case?" -k 3

      leaf-search "interest rates" --filter '{"metadata.year": {"$gte": 2020}}' --json

      leaf-search doctor           (checks the deployment, the collection and its index)

      leaf-search eval             (measures what each storage format keeps)

      leaf-search query doctor     (searches, whatever the words are)

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    say_warnings("leaf-search")
    with one_line_errors("leaf-search", line=line_of("leaf-search", context)):
        chosen = settings(mongodb_uri=uri, database=database, collection=collection, home=home)
        options: Options = {
            "k": k,
            "skip": skip,
            "filter": None if filter is None else _parsed(filter),
            "hybrid": hybrid,
            "weights": _weights(weights),
            "by_document": by_document,
            "neighbours": neighbours,
            "diversity": diversity,
            "min_similarity": min_similarity,
            "exact": exact,
            "num_candidates": num_candidates,
            "rescore": rescore,
            "max_time_ms": max_time_ms,
            "rerank": CrossEncoder(rerank) if rerank else None,
        }
        check_questions(questions)
        checked(options, declared=None)  # before anything is started or opened
        deployment = deployment_uri(chosen, _say)
        with Searcher.open(deployment, chosen) as searcher:
            if max_tokens is not None:
                for question in questions:
                    found = searcher.context(question, max_tokens, **options)
                    print_context(question, found, as_json)
                return
            for question, hits in zip(
                questions, searcher.search_many(questions, **options), strict=True
            ):
                print_hits(question, hits, as_json, heading=len(questions) > 1)


def _parsed(filter: str) -> Mapping[str, Any]:
    shown = shorten(filter, 200)
    try:
        parsed = parse_extended_json(filter)
    except NotExtendedJson as error:
        raise QueryError(
            f"--filter {shown}: not Extended JSON ({error}); expected an object like "
            """'{"metadata.year": {"$gte": 2020}}', in quotes for the shell"""
        ) from error
    if not isinstance(parsed, dict):
        raise QueryError(f"--filter {shown}: expected a JSON object like {{path: value}}")
    return parsed


def _weights(given: str | None) -> tuple[float, float]:
    if given is None:
        return (1.0, 1.0)
    try:
        vectors, text = map(float, given.split(","))
    except ValueError as error:
        raise QueryError(
            f"--weights {shorten(given, 80)}: expected two numbers like 1,0.5"
        ) from error
    return (vectors, text)


def main() -> None:
    try:
        app()
    except SystemExit as end:
        leave_at_once(end)
