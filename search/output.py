"""Hits and contexts on stdout: a table for people, JSON lines for programs."""

import re
import sys
from collections.abc import Sequence

from bson import json_util
from rich.console import Console
from rich.table import Table
from rich.text import Text

from leafsearch.config.text import one_line, strip_controls
from leafsearch.search.hit import Hit, describe_place
from leafsearch.search.retrieval.context import Context

_SHOWN = 240  # characters of a passage in the table
_RULE = re.compile(r"([*=~^+-])\1{3,}\+?")  # underlines of headings, borders of tables


def print_hits(question: str, hits: Sequence[Hit], as_json: bool, *, heading: bool) -> None:
    if as_json:
        for hit in hits:
            _print_json({"question": question, **vars(hit)})
        return
    if heading:
        Console().print(Text(one_line(question), "bold"))
    if hits:
        Console().print(_table(hits))
    else:
        print(
            "leaf-search: no hits: nothing passes the filter or the minimum similarity, or the "
            "collection is empty",
            file=sys.stderr,
        )


def print_context(question: str, context: Context, as_json: bool) -> None:
    if as_json:
        passages = [vars(passage) for passage in context.passages]
        _print_json({"question": question, **vars(context), "passages": passages})
    else:
        print(strip_controls(context.text))


def _print_json(line: object) -> None:
    print(json_util.dumps(line, json_options=json_util.RELAXED_JSON_OPTIONS))


def _table(hits: Sequence[Hit]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("cosine", justify="right")
    table.add_column("passage", overflow="fold")
    for hit in hits:
        passage = Text(one_line(hit.id), style="bold")
        title = str(hit.metadata.get("title") or "")
        if title:
            passage.append(f"  {one_line(title)}", style="not bold")
        if where := describe_place(hit.place, title):
            passage.append(f"  ({one_line(where)})", style="not bold")
        shown = " ".join(hit.context.split()) if hit.context else _beginning(hit.text)
        passage.append(f"\n{strip_controls(shown)}\n", "dim")
        table.add_row(f"{hit.similarity:.3f}", passage)
    return table


def _beginning(text: str) -> str:
    flat = " ".join(_RULE.sub(" ", text).split())
    return flat if len(flat) <= _SHOWN else flat[:_SHOWN].rsplit(" ", 1)[0] + " ..."
