"""Pictures of a report, each for a light and for a dark page. Needs the extra [eval]."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from leafsearch.evaluation.drawing.colours import THEMES, Theme, family
from leafsearch.evaluation.drawing.labels import place_labels
from leafsearch.evaluation.formats import Format
from leafsearch.evaluation.report import Report, SweepReport

_SIZE = (8.0, 5.0)  # inches
_DPI = 160
_MARKS = "os^Dv"


@dataclass(frozen=True)
class Line:
    """One format: a point, or several that belong together."""

    format: Format
    x: Sequence[float]
    y: Sequence[float]

    @property
    def label(self) -> str:
        return f"{self.format.name} {self.format.dimensions}"


@dataclass(frozen=True)
class Picture:
    name: str
    title: str
    x: str
    y: str
    lines: Sequence[Line]


def draw(report: Report | SweepReport, folder: Path) -> list[Path]:
    """The files written: NAME-light.png, NAME-dark.svg and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = _judged(report) if isinstance(report, Report) else _swept(report)
    return [file for picture in pictures for file in _files(picture, folder)]


def _judged(report: Report) -> list[Picture]:
    rows = report.rows
    about = f"{report.collection}: {report.documents:,} documents, {report.queries:,} queries"
    return [
        Picture(
            "quality-bytes",
            f"Quality against size. {about}",
            "bytes of a stored vector",
            "nDCG@10",
            [Line(r.format, [r.sizes.vector], [r.ndcg]) for r in rows],
        ),
        Picture(
            "recall-latency",
            f"Recall against latency. {about}",
            "milliseconds of a search (median, without encoding)",
            "recall@100",
            [Line(r.format, [r.latency.p50], [r.recall]) for r in rows],
        ),
    ]


def _swept(report: SweepReport) -> list[Picture]:
    about = f"{report.collection}: {report.documents:,} passages, {report.queries:,} queries"
    overlap = f"overlap@{report.k} with exact full-precision search"
    return [
        Picture(
            "quality-bytes",
            f"Exact search against size. {about}",
            "bytes of a stored vector",
            overlap,
            [Line(c.format, [c.sizes.vector], [c.exact]) for c in report.curves],
        ),
        Picture(
            "recall-latency",
            f"Growing numCandidates. {about}",
            "milliseconds of a search (median, without encoding)",
            overlap,
            [
                Line(
                    c.format,
                    [s.latency.p50 for s in c.steps],
                    [s.overlap for s in c.steps],
                )
                for c in report.curves
            ],
        ),
    ]


def _files(picture: Picture, folder: Path) -> Iterator[Path]:
    for name, theme in THEMES.items():
        settings: Any = {**theme.settings(), "svg.hashsalt": picture.name}
        with rc_context(settings):
            figure = _figure(picture, theme)
            for kind in ("png", "svg"):
                file = folder / f"{picture.name}-{name}.{kind}"
                # Without the date, so that the same report gives the same file.
                figure.savefig(file, dpi=_DPI, metadata={"Date": None} if kind == "svg" else None)
                yield file


def _figure(picture: Picture, theme: Theme) -> Figure:
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(picture.title, loc="left", fontsize=11)
    axes.set_xlabel(picture.x)
    axes.set_ylabel(picture.y)
    axes.set_xscale("log")
    axes.grid(True, which="major", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    for line, mark in zip(picture.lines, _marks(picture.lines), strict=True):
        colour = theme.colour(family(line.format))
        axes.plot(line.x, line.y, mark, linestyle="-", color=colour, label=line.label)
    axes.margins(0.1, 0.1)
    _plain_numbers(axes, [x for line in picture.lines for x in line.x])
    if any(len(line.x) > 1 for line in picture.lines):  # no room for labels between the lines
        figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    else:
        _label(figure, axes, picture, theme)
    return figure


def _marks(lines: Sequence[Line]) -> Iterator[str]:
    """Another one for each format of a family, since these share a colour."""
    seen: Counter[str] = Counter()
    for line in lines:
        yield _MARKS[seen[family(line.format)] % len(_MARKS)]
        seen[family(line.format)] += 1


def _label(figure: Figure, axes: Axes, picture: Picture, theme: Theme) -> None:
    points = [(line.x[0], line.y[0], line.label) for line in picture.lines]
    colours = [theme.colour(family(line.format)) for line in picture.lines]
    place_labels(figure, axes, points, colours)


def _plain_numbers(axes: Axes, values: Sequence[float]) -> None:
    """1, 2, 5, 10, ... as they are read, and not as powers of ten; more where they are near."""
    near = max(values) < 5 * min(values)
    ticks = [m * 10**e for e in range(-2, 6) for m in ((1, 1.5, 2, 3, 4, 6) if near else (1, 2, 5))]
    low, high = min(values) / 1.5, max(values) * 1.5
    axes.set_xticks([tick for tick in ticks if low <= tick <= high])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())
