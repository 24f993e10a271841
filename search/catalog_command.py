"""`leaf-search collections`: parse the options, call one function, print."""

import json
import sys
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
from leafsearch.config.text import one_line
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
    sys.stdout.flush()


def _table(entries: Sequence[CatalogEntry]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for title in ("collection", "teacher, student", "format"):
        table.add_column(title, overflow="fold")
    table.add_column("holds", justify="right")
    table.add_column("generation", overflow="fold")
    for entry in entries:
        name = Text(one_line(entry.collection), style="bold")
        if entry.problem is not None and not entry.teacher:
            table.add_row(name, Text(one_line(entry.problem)))
            continue
        table.add_row(
            name,
            Text(one_line(f"{entry.teacher}\n{entry.student}".replace("\n", ", "))),
            _format(entry),
            _holds(entry),
            _generation(entry),
        )
    return table


def _format(entry: CatalogEntry) -> str:
    quantized = f", {entry.quantization} quantization" if entry.quantization != "none" else ""
    hybrid = ", words too" if entry.hybrid else ""
    return f"{entry.dimensions} x {entry.precision}{quantized}, {entry.vector_bytes:,} B{hybrid}"


def _holds(entry: CatalogEntry) -> str:
    if entry.problem is not None:
        return "dropped"
    word = "document" if entry.layout == "in_place" else "chunk"
    return f"{entry.count:,} {word}{'' if entry.count == 1 else 's'}"


def _generation(entry: CatalogEntry) -> str:
    beside = f" ({entry.other} {entry.other_is})" if entry.other else ""
    return f"{entry.generation}{beside}"
