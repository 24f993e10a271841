"""`leaf-search [query] QUERY...`: parse the options, call one function, print."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar

import typer

from leafsearch.config.cli import Collection, Command, Database, Home, Uri, new_command, option
from leafsearch.config.command import one_line_errors, say, say_warnings, settings
from leafsearch.config.hint import line_of
from leafsearch.config.text import shorten
from leafsearch.search.errors import QueryError
from leafsearch.search.output import print_context, print_hits
from leafsearch.search.query import (
    FUSIONS,
    NORMALIZATIONS,
    Options,
    check_options,
    check_questions,
)
from leafsearch.search.rerank import CrossEncoder
from leafsearch.search.searcher import Searcher
from leafsearch.vectors.store import NotExtendedJson, deployment_uri, parse_extended_json

_RANKING, _SERVER = "Ranking", "How the server searches"

_say = partial(say, "leaf-search")


class _SearchCommand(Command):
    values: ClassVar[Mapping[str, Sequence[str]]] = {"--hybrid": FUSIONS}


app, register = new_command(_SearchCommand, no_args_is_help=True)


@register
def command(
    context: typer.Context,
    questions: Annotated[list[str], typer.Argument(metavar="QUERY", show_default=False)],
    k: Annotated[int, option("Show N hits. Default: 10.", "-k", metavar="N")] = 10,
    filter: Annotated[
        str | None,
        option("Filter by declared paths, in Extended JSON.", "--filter", metavar="JSON"),
    ] = None,
    hybrid: Annotated[
        str | None,
        option(
            "Search the words too, and fuse by score (default) or by rank (rrf).",
            "--hybrid",
            metavar=f"[{'|'.join(FUSIONS)}]",
            values=FUSIONS,
        ),
    ] = None,
    by_document: Annotated[
        bool, option("Show only the best passage of each document.", "--by-document")
    ] = False,
    neighbours: Annotated[
        int, option("Show N passages before and after each hit.", metavar="N")
    ] = 0,
    max_tokens: Annotated[
        int | None,
        option("Print one text of at most N tokens for a language model.", metavar="N"),
    ] = None,
    as_json: Annotated[bool, option("Print one JSON object a line.", "--json")] = False,
    student: Annotated[
        str | None,
        option("Encode the query with this student, or with the teacher.", metavar="NAME"),
    ] = None,
    collection: Collection = None,
    uri: Uri = None,
    skip: Annotated[
        int | None, option("Skip the first N hits; 0 for page one.", metavar="N", panel=_RANKING)
    ] = None,
    rerank: Annotated[
        str | None,
        option("Rerank the best hits with this cross-encoder.", metavar="MODEL", panel=_RANKING),
    ] = None,
    weights: Annotated[
        str | None,
        option(
            "Weight vectors and words in --hybrid. Default: 1,1.",
            metavar="VECTORS,TEXT",
            panel=_RANKING,
        ),
    ] = None,
    normalization: Annotated[
        str | None,
        option(
            f"Scale scores in --hybrid by {', '.join(NORMALIZATIONS)}. Default: minmax.",
            metavar="NAME",
            panel=_RANKING,
            values=NORMALIZATIONS,
        ),
    ] = None,
    diversity: Annotated[
        float,
        option(
            "MMR diversity: 0 relevance only (default), 1 diversity only.",
            metavar="SHARE",
            panel=_RANKING,
        ),
    ] = 0.0,
    min_similarity: Annotated[
        float | None,
        option("Drop hits below this cosine, -1 to 1.", metavar="COSINE", panel=_RANKING),
    ] = None,
    exact: Annotated[bool, option("Compare with every vector.", "--exact", panel=_SERVER)] = False,
    num_candidates: Annotated[
        int | None,
        option("Consider N candidates. Default: 20 per hit or more.", metavar="N", panel=_SERVER),
    ] = None,
    rescore: Annotated[
        int,
        option(
            "Rescore N candidates per hit of binary vectors. Default: 4.",
            metavar="N",
            panel=_SERVER,
        ),
    ] = 4,
    max_time_ms: Annotated[
        int | None,
        option("Give up when the server takes longer than this.", metavar="MS", panel=_SERVER),
    ] = None,
    database: Database = None,
    home: Home = None,
) -> None:
    """Find the passages that answer a query, or each of several.

    The collection's manifest names the model that encodes queries.

    Examples:

      leaf-search "how do I close a file in any case?" -k 3

      leaf-search "rates" --filter '{"metadata.year": {"$gte": 2020}}' --json

      leaf-search "error XK-4711" --hybrid

      leaf-search query doctor            (searches for the word)

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    say_warnings("leaf-search")
    with one_line_errors("leaf-search", line=line_of("leaf-search", context)):
        chosen = settings(mongodb_uri=uri, database=database, collection=collection, home=home)
        options: Options = {
            "k": k,
            "skip": skip,
            "filter": None if filter is None else _parsed(filter),
            "hybrid": hybrid or False,
            "weights": _weights(weights),
            "normalization": normalization,
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
        named: Options = {**options, "student": student}
        check_options(named, declared=None)  # before anything is started or opened
        deployment = deployment_uri(chosen, _say)
        with Searcher.open(deployment, chosen, student=student) as searcher:
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
