"""`leaf-search collections`: parse the options, call one function, print."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from leafsearch.config.cli import Database, Home, Uri, new_command, option
from leafsearch.config.command import one_line_errors, say, say_warnings, settings
from leafsearch.config.hint import hint, line_of
from leafsearch.config.text import counted, one_line
from leafsearch.search.catalog import CatalogEntry, list_collections
from leafsearch.vectors import connect
from leafsearch.vectors.store import deployment_uri

_say = partial(say, "leaf-search")

app, register = new_command()


@register
def command(
    context: typer.Context,
    database: Database = None,
    uri: Uri = None,
    as_json: Annotated[bool, option("Print one JSON object a line.", "--json")] = False,
    home: Home = None,
) -> None:
    """List the collections of a database that can be searched.

    Each has a line with its models, the stored format, the number of chunks, and the generation
    of vectors that searches use.

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    say_warnings("leaf-search")
    with one_line_errors("leaf-search", line=line_of("leaf-search collections", context)):
        chosen = settings(mongodb_uri=uri, database=database, home=home)
        with closing(connect(deployment_uri(chosen, _say))) as client:
            entries = list(list_collections(client[chosen.database]))
        if as_json:
            for entry in entries:
                print(json.dumps(asdict(entry)))
        elif entries:
            Console().print(_table(entries))
        else:
            command = hint("leaf-ingest", "PATH", database=chosen.database)
            _say(f"database {chosen.database} has no collection to search; {command} makes one")


def _table(entries: Sequence[CatalogEntry]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("collection", overflow="fold")
    table.add_column("holds", overflow="fold")
    for entry in entries:
        table.add_row(Text(one_line(entry.collection), style="bold"), _describe(entry))
    return table


def _words(entry: CatalogEntry) -> str:
    analyzer = f" by {entry.text_analyzer}" if entry.text_analyzer else ""
    return f"; with words{analyzer}" if entry.hybrid else ""


def _describe(entry: CatalogEntry) -> Text:
    if entry.problem is not None:
        return Text(one_line(entry.problem))
    word = "document" if entry.layout == "in_place" else "chunk"
    quantized = f", {entry.quantization} quantization" if entry.quantization != "none" else ""
    second = f" + {entry.beside}" if entry.beside else ""
    rotated = ", rotated" if entry.transform != "none" else ""
    beside = f" ({entry.other} is {entry.other_is})" if entry.other else ""
    shown = Text(
        f"{counted(entry.count, word)} as {entry.dimensions} x "
        f"{entry.precision}{second}{rotated}{quantized}, {entry.vector_bytes:,} bytes a vector; "
        f"generation {entry.generation}{beside}{_words(entry)}"
    )
    return shown.append(
        f"\nteacher {one_line(entry.teacher)}\nstudent {one_line(entry.student)}", "dim"
    )
