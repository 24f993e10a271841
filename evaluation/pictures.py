"""Pictures of a report, each for a light and for a dark page. Needs the extra [eval]."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, NullLocator
from matplotlib.transforms import Bbox

from leafsearch.evaluation.formats import Format
from leafsearch.evaluation.report import Report, SweepReport

_GAP = 7  # points between a mark and its label
_ROW = 13  # points from one label to the next when they are stacked
_MARK = 5  # pixels around a point that stay free
_SIZE = (8.0, 5.0)  # inches
_DPI = 160
_MARKS = "os^Dv"


@dataclass(frozen=True)
class Theme:
    page: str
    text: str
    grid: str
    colours: Mapping[str, str]

    def colour(self, family: str) -> str:
        return self.colours[family]

    def settings(self) -> dict[str, Any]:
        """Settings of matplotlib."""
        return {
            "figure.facecolor": self.page,
            "axes.facecolor": self.page,
            "savefig.facecolor": self.page,
            "axes.edgecolor": self.grid,
            "grid.color": self.grid,
            **dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor"), self.text),
            **dict.fromkeys(("xtick.color", "ytick.color"), self.text),
        }


THEMES = {
    "light": Theme(
        page="#ffffff",
        text="#24292f",
        grid="#d8dee4",
        colours={
            "alone": "#57606a",
            "float32": "#0550ae",
            "server": "#8250df",
            "int8": "#116329",
            "binary": "#bc4c00",
        },
    ),
    "dark": Theme(
        page="#0d1117",
        text="#e6edf3",
        grid="#30363d",
        colours={
            "alone": "#9ea7b3",
            "float32": "#6cb6ff",
            "server": "#d2a8ff",
            "int8": "#57d364",
            "binary": "#ffa657",
        },
    ),
}


def family(format: Format) -> str:
    if format.alone:
        return "alone"
    if format.storage.quantization != "none":
        return "server"
    return format.storage.precision


def place_labels(
    figure: Figure,
    axes: Axes,
    points: Sequence[tuple[float, float, str]],
    colours: Sequence[str],
) -> None:
    """Each at the nearest free place, from the highest point down; `points`: x, y and the text."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()  # or nothing has a place yet
    marks = [axes.transData.transform((x, y)) for x, y, _ in points]
    taken = [Bbox.from_extents(*(at - _MARK), *(at + _MARK)) for at in marks]
    for (x, y, text), colour in sorted(
        zip(points, colours, strict=True), key=lambda labelled: -labelled[0][1]
    ):
        label = axes.annotate(
            text,
            (x, y),
            xytext=(0, 0),
            textcoords="offset points",
            color=colour,
            fontsize=9,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkB": 4},
        )
        label.set_in_layout(False)
        taken.append(_settled(label, axes, taken, canvas.get_renderer()))


def _settled(label: Any, axes: Axes, taken: Sequence[Bbox], renderer: Any) -> Bbox:
    for dx, dy, side in _places():
        label.set_position((dx, dy))
        label.set(ha=side, va="center")
        label.arrow_patch.set_visible(abs(dy) > 2 * _ROW)  # a line only where it is needed
        label.update_positions(renderer)
        box: Bbox = Text.get_window_extent(label, renderer)  # of the text, without the line
        inside = axes.bbox.contains(*box.min) and axes.bbox.contains(*box.max)
        if inside and not any(box.overlaps(other) for other in taken):
            break
    return box


def _places() -> list[tuple[float, float, str]]:
    """Offsets in points, the nearest first; down before up, since higher points come first."""
    beside = [(_GAP, 0, "left"), (-_GAP, 0, "right"), (0, _ROW, "center"), (0, -_ROW, "center")]
    stacked = [
        (dx, sign * n * _ROW / 2, side)
        for n in range(1, 18)
        for sign in (-1, 1)
        for dx, side in ((2 * _GAP, "left"), (-2 * _GAP, "right"))
    ]
    return [*beside, *stacked]


@dataclass(frozen=True)
class PlottedLine:
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
    lines: Sequence[PlottedLine]


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
            [PlottedLine(r.format, [r.sizes.vector], [r.ndcg]) for r in rows],
        ),
        Picture(
            "recall-latency",
            f"Recall against latency. {about}",
            "milliseconds of a search (median, without encoding)",
            "recall@100",
            [PlottedLine(r.format, [r.latency.p50], [r.recall]) for r in rows],
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
            [PlottedLine(c.format, [c.sizes.vector], [c.exact]) for c in report.curves],
        ),
        Picture(
            "recall-latency",
            f"Growing numCandidates. {about}",
            "milliseconds of a search (median, without encoding)",
            overlap,
            [
                PlottedLine(
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


def _marks(lines: Sequence[PlottedLine]) -> Iterator[str]:
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
