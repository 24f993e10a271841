"""Reports: what an evaluation found, as tables for people and as JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from leafsearch.config.text import counted, strip_controls
from leafsearch.evaluation.cached_rows import Milliseconds
from leafsearch.evaluation.formats import Format, Role
from leafsearch.evaluation.trial import Sizes

Models = Mapping[Role, str]  # with their revisions
_WIDTH = 110


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
    console.print(_judged(report.rows))
    for role, found in report.encoding.items():
        console.print(
            f"and encoding by the {role}: {found.p50:.1f} ms a query, p95 {found.p95:.1f}"
        )
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
    console.print(_curves(report.curves))


def _console() -> Console:
    """Wide enough for the tables: lines that a narrow terminal breaks still hold all figures."""
    return Console(width=max(Console().width, _WIDTH), markup=False, highlight=False)


def _models(console: Console, models: Models) -> None:
    for role, model in models.items():
        console.print(f"{role}: {strip_controls(model)}", style="dim")


def _judged(rows: Sequence[Judged]) -> Table:
    table = _table(
        *("format", "dims", "nDCG\n@10", "of best", "recall\n@100", "MRR\n@10", "overlap\n@10"),
        *("vector\nbytes", "BSON\nbytes", "index\nbytes", "ms\np50", "ms\np95"),
    )
    for row in rows:
        table.add_row(*_cells(row))
    return table


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


def _curves(curves: Sequence[Curve]) -> Table:
    candidates = [step.candidates for step in curves[0].steps]
    table = _table(
        "format", "dims", "vector\nbytes", "index\nbytes", "exact\n", *map(str, candidates)
    )
    table.add_column("ms\np50", justify="right")
    for curve in curves:
        table.add_row(
            curve.format.name,
            str(curve.format.dimensions),
            f"{curve.sizes.vector:,}",
            _index(curve.sizes.index),
            f"{curve.exact:.3f}",
            *(f"{step.overlap:.3f}" for step in curve.steps),
            f"{curve.steps[-1].latency.p50:.1f}",
        )
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _index(size: float | None) -> str:
    return "-" if size is None else f"{size:,.0f}"
