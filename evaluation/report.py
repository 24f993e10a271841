"""Reports: what an evaluation found, as tables for people and as JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console

from leafsearch.config.text import counted, strip_controls
from leafsearch.evaluation.cached_rows import Milliseconds
from leafsearch.evaluation.formats import Format, Role
from leafsearch.evaluation.trial import Sizes

Models = Mapping[Role, str]  # with their revisions
Columns = Sequence[Sequence[str]]  # each with its head

_UNBROKEN = 10_000  # columns of what is no terminal
_BETWEEN = 2
_KEYS = 2  # first columns, which say what a line is about


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A format's means over all queries. `of_best`: nDCG@10 as a share of the highest.

    `overlap` compares ten hits with those of exact search in the same format. `latency` is the
    time of a search for ten hits, without encoding.
    """

    format: Format
    ndcg: float
    recall: float
    mrr: float
    overlap: float
    sizes: Sizes
    latency: Milliseconds
    of_best: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Report:
    """`encoding` is the time to encode one query alone."""

    collection: str
    documents: int
    queries: int
    models: Models
    encoding: Mapping[Role, Milliseconds]
    warnings: Sequence[str]
    rows: Sequence[Judged]
    seconds: float


@dataclass(frozen=True)
class Step:
    """A search that looks at so many `candidates`."""

    candidates: int
    overlap: float
    latency: Milliseconds


@dataclass(frozen=True)
class Curve:
    """`exact`: overlap of exact search in this format with that on the vectors as stored."""

    format: Format
    exact: float
    steps: Sequence[Step]
    sizes: Sizes


@dataclass(frozen=True, kw_only=True)
class SweepReport:
    """`sampled`: the queries are beginnings of passages. `k`: how many hits are compared."""

    collection: str
    documents: int
    queries: int
    sampled: bool
    k: int
    models: Models
    curves: Sequence[Curve]
    seconds: float
    warnings: Sequence[str] = ()


def print_json(report: Report | SweepReport) -> None:
    print(json.dumps(asdict(report), indent=2))


def print_report(report: Report) -> None:
    console = _console()
    console.print(
        strip_controls(
            f"{report.collection}: {report.documents:,} documents, {report.queries:,} queries"
        )
    )
    _models(console, report.models)
    _print_table(console, _judged(report.rows))
    console.print(
        "bytes: of a stored vector; BSON, index: of a document; overlap: with exact search in the "
        "same format; ms: of a search for ten hits, without encoding"
    )
    _budgets(console, [row.format for row in report.rows])
    for role, found in report.encoding.items():
        console.print(f"the {role} encodes a query in {found.p50:.1f} ms, p95 {found.p95:.1f}")
    if not any(row.format.alone for row in report.rows):
        console.print("teacher and student are one model, so one row stands for both sides")


def print_sweep(report: SweepReport) -> None:
    console = _console()
    queries = counted(report.queries, "query", "queries")
    sampled = " (sampled: the first words of passages)" if report.sampled else ""
    title = f"{report.collection}: {counted(report.documents, 'passage')}, {queries}{sampled}"
    console.print(strip_controls(title))
    _models(console, report.models)
    console.print(
        f"overlap@{report.k}: share of the hits of exact search on the stored vectors\n"
        "columns: exact search in each format, then approximate search by numCandidates"
    )
    _print_table(console, _curves(report.curves))
    _budgets(console, [curve.format for curve in report.curves])


def _console() -> Console:
    """As wide as the terminal; a file or a pipe gets whole lines."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = _UNBROKEN
    return console


def _models(console: Console, models: Models) -> None:
    for role, model in models.items():
        console.print(f"{role}: {strip_controls(model)}", style="dim")


def _budgets(console: Console, formats: Sequence[Format]) -> None:
    for format in formats:
        if format.is_budget:
            console.print(f"{format.name} is {format.form}")


def _judged(rows: Sequence[Judged]) -> Columns:
    heads = ("format", "dims", "nDCG@10", "of best", "recall@100", "MRR@10", "overlap@10")
    more = ("bytes", "BSON bytes", "index bytes", "ms p50", "ms p95")
    return _columns((*heads, *more), [_cells(row) for row in rows])


def _cells(row: Judged) -> list[str]:
    return [
        row.format.name,
        str(row.format.dimensions),
        f"{row.ndcg:.4f}",
        f"{row.of_best:.1%}",
        f"{row.recall:.4f}",
        f"{row.mrr:.4f}",
        f"{row.overlap:.3f}",
        f"{row.sizes.vector:,}",
        f"{row.sizes.document:,.0f}",
        _index(row.sizes.index),
        f"{row.latency.p50:.1f}",
        f"{row.latency.p95:.1f}",
    ]


def _curves(curves: Sequence[Curve]) -> Columns:
    steps = [str(step.candidates) for step in curves[0].steps]
    rows = [
        [
            curve.format.name,
            str(curve.format.dimensions),
            f"{curve.sizes.vector:,}",
            _index(curve.sizes.index),
            f"{curve.exact:.3f}",
            *(f"{step.overlap:.3f}" for step in curve.steps),
            f"{curve.steps[-1].latency.p50:.1f}",
        ]
        for curve in curves
    ]
    return _columns(["format", "dims", "bytes", "index bytes", "exact", *steps, "ms p50"], rows)


def _columns(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Columns:
    return [(head, *cells) for head, *cells in zip(heads, *rows, strict=True)]


def _print_table(console: Console, columns: Columns) -> None:
    """In one piece, or in several below each other where the terminal is narrower.

    Each piece begins with the format, so that no line and no head is broken.
    """
    keys, rest = list(columns[:_KEYS]), list(columns[_KEYS:])
    while rest:
        piece = [*keys, rest.pop(0)]
        while rest and _width([*piece, rest[0]]) <= console.width:
            piece.append(rest.pop(0))
        for number in range(len(piece[0])):
            cells = (_cell(column, number, is_first=n == 0) for n, column in enumerate(piece))
            line = (" " * _BETWEEN).join(cells)
            console.print(line.rstrip(), soft_wrap=True)
        if rest:
            console.print()


def _cell(column: Sequence[str], number: int, *, is_first: bool) -> str:
    width = max(map(len, column))
    return column[number].ljust(width) if is_first else column[number].rjust(width)


def _width(columns: Columns) -> int:
    return sum(max(map(len, column)) for column in columns) + _BETWEEN * (len(columns) - 1)


def _index(size: float | None) -> str:
    return "-" if size is None else f"{size:,.0f}"
