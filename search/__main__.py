"""`leaf-search`: parses, wires the parts together, prints."""

import logging
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from bson import json_util
from rich.console import Console
from rich.table import Table
from rich.text import Text

from config.command import one_line_errors, settings
from local import LocalError
from local.fallback import fallback_uri
from search.errors import FilterError
from search.hit import Hit
from search.searcher import Searcher

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

_SHOWN = 240  # characters of a passage in the table
_RULE = re.compile(r"([*=~^+-])\1{3,}\+?")  # underlines of headings, borders of tables


def _option(help: str, *names: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, show_default=False)


@app.command(no_args_is_help=True)
def command(
    questions: Annotated[list[str], typer.Argument(metavar="QUESTION", show_default=False)],
    k: Annotated[int, _option("Number of hits. Default: 10.", "-k", metavar="N")] = 10,
    filter: Annotated[
        str | None,
        _option("Extended JSON on declared paths.", "--filter", metavar="JSON"),
    ] = None,
    exact: Annotated[bool, _option("Compare with every vector.", "--exact")] = False,
    num_candidates: Annotated[
        int | None,
        _option("How many the server looks at. Default: 20 per hit, at least 100.", metavar="N"),
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

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    logging.basicConfig(level=logging.WARNING, format="leaf-search: %(message)s")
    with one_line_errors("leaf-search", LocalError):
        chosen = settings(mongodb_uri=uri, database=database, collection=collection, home=home)
        parsed = None if filter is None else _parsed(filter)
        deployment = chosen.uri or fallback_uri(chosen.home, _say)
        with Searcher.open(deployment, chosen) as searcher:
            for question in questions:
                hits = searcher.search(
                    question, k=k, filter=parsed, exact=exact, num_candidates=num_candidates
                )
                if as_json:
                    _print_json(question, hits)
                else:
                    _print_table(hits, question if len(questions) > 1 else "")


def _print_json(question: str, hits: Sequence[Hit]) -> None:
    for hit in hits:
        line = {"question": question, **vars(hit)}
        print(json_util.dumps(line, json_options=json_util.RELAXED_JSON_OPTIONS))


def _parsed(filter: str) -> Mapping[str, Any]:
    try:
        parsed = json_util.loads(filter)
    except (ValueError, TypeError) as error:
        raise FilterError(
            f"--filter {filter}: not JSON ({error}); expected an object like "
            """'{"metadata.year": {"$gte": 2020}}', in quotes for the shell"""
        ) from error
    if not isinstance(parsed, dict):
        raise FilterError(f"--filter {filter}: expected a JSON object like {{path: value}}")
    return parsed


def _print_table(hits: Sequence[Hit], heading: str) -> None:
    if heading:
        Console().print(Text(heading, "bold"))
    if not hits:
        _say("nothing passes the filter")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("cosine", justify="right")
    table.add_column("passage", overflow="fold")
    for hit in hits:
        passage = Text(hit.id, style="bold")
        if title := hit.metadata.get("title"):
            passage.append(f"  {title}", style="not bold")
        table.add_row(f"{hit.similarity:.3f}", passage.append(f"\n{_beginning(hit.text)}\n", "dim"))
    Console().print(table)


def _beginning(text: str) -> str:
    flat = " ".join(_RULE.sub(" ", text).split())
    return flat if len(flat) <= _SHOWN else flat[:_SHOWN].rsplit(" ", 1)[0] + " ..."


def _say(text: str) -> None:
    print(f"leaf-search: {text}", file=sys.stderr)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
