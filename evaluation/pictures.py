"""Pictures of a report, each for a light and for a dark page. Needs the extra [eval]."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import NDArray

from leafsearch.evaluation.formats import Format, distinct
from leafsearch.evaluation.labels import Label, Point, group_neighbours, place_labels, spread_marks
from leafsearch.evaluation.measures import pareto_front
from leafsearch.evaluation.report import Curve, Report, SweepReport

Style = dict[str, Any]  # settings of a line

_SIZE = (8.0, 5.0)  # inches
_DPI = 160
_MARK = 6.5  # points
_LONGEST = 40  # characters of a name
# A mark for each name of a format; names that are not here take the others in turn.
_MARKS = {"rotated": "D", "rescored": "^", "teacher": "P", "student": "X", "scalar": "s"}
_OTHER_MARKS = "ov<>p*Hd"


@dataclass(frozen=True)
class Theme:
    page: str
    text: str
    grid: str
    front: str
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
        front="#8c959f",
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
        front="#6e7681",
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


@dataclass(frozen=True)
class PlottedLine:
    """One format: a point, or the steps of a curve, whose last one is marked."""

    format: Format
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Picture:
    """`has_front`: formats that no other beats in both axes are marked."""

    name: str
    title: str
    about: str
    x: str
    y: str
    lines: Sequence[PlottedLine]
    has_front: bool = False


def draw(report: Report | SweepReport, folder: Path) -> list[Path]:
    """The files written: NAME-light.png, NAME-dark.svg and so on; none for a single format."""
    pictures = _judged(report) if isinstance(report, Report) else _swept(report)
    if all(len(picture.lines) < 2 for picture in pictures):
        return []
    folder.mkdir(parents=True, exist_ok=True)
    return [file for picture in pictures for file in _files(picture, folder)]


def _judged(report: Report) -> list[Picture]:
    own = set(distinct([row.format for row in report.rows]))
    rows = [row for row in report.rows if row.format in own]
    name = _short(report.collection)
    about = f"{name}: {report.documents:,} documents, {report.queries:,} queries"
    return [
        Picture(
            "quality-bytes",
            "Quality against size",
            about,
            "bytes of a stored vector",
            "nDCG@10",
            [PlottedLine(r.format, [r.sizes.vector], [r.ndcg]) for r in rows],
            has_front=True,
        ),
        Picture(
            "recall-latency",
            "Recall against latency",
            about,
            "milliseconds of a search (median, without encoding)",
            "recall@100",
            [PlottedLine(r.format, [r.latency.p50], [r.recall]) for r in rows],
        ),
    ]


def _growing(curve: Curve) -> PlottedLine:
    """The steps up to the most candidates; the last alone where none of them finds more."""
    steps = curve.steps if len({step.overlap for step in curve.steps}) > 1 else curve.steps[-1:]
    x, y = [step.latency.p50 for step in steps], [step.overlap for step in steps]
    return PlottedLine(curve.format, x, y)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."


def _swept(report: SweepReport) -> list[Picture]:
    own = set(distinct([curve.format for curve in report.curves]))
    curves = [curve for curve in report.curves if curve.format in own]
    name = _short(report.collection)
    about = f"{name}: {report.documents:,} passages, {report.queries:,} queries"
    overlap = f"overlap@{report.k} with exact search on the stored vectors"
    return [
        Picture(
            "quality-bytes",
            "Exact search against size",
            about,
            "bytes of a stored vector",
            overlap,
            [PlottedLine(c.format, [c.sizes.vector], [c.exact]) for c in curves],
            has_front=True,
        ),
        Picture(
            "recall-latency",
            "Growing numCandidates",
            about,
            "milliseconds of a search (median, without encoding)",
            overlap,
            [_growing(curve) for curve in curves],
        ),
    ]


def _files(picture: Picture, folder: Path) -> Iterator[Path]:
    for name, theme in THEMES.items():
        settings: Any = {**theme.settings(), "svg.hashsalt": picture.name}
        with rc_context(settings):
            figure = draw_figure(picture, theme)
            for kind in ("png", "svg"):
                file = folder / f"{picture.name}-{name}.{kind}"
                # Without the date, so that the same report gives the same file.
                figure.savefig(file, dpi=_DPI, metadata={"Date": None} if kind == "svg" else None)
                yield file


def draw_figure(picture: Picture, theme: Theme, size: tuple[float, float] = _SIZE) -> Figure:
    """`size` in inches."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(f"{picture.title}\n{picture.about}", loc="left", fontsize=10, pad=10)
    axes.set_xlabel(picture.x)
    axes.set_ylabel(picture.y)
    axes.grid(True, which="major", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    _set_limits(axes, picture)
    names = list(dict.fromkeys(line.format.series for line in picture.lines))
    marks = dict(zip(names, _marks(names), strict=True))
    front = _front(picture.lines) if picture.has_front else []
    styles = {name: _style(name, picture.lines, theme, marks[name]) for name in names}
    _explain(figure, picture, theme, styles, bool(front))
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()  # or nothing has a place yet
    figure.set_layout_engine("none")
    _plot(figure, axes, picture, theme, styles, front)
    return figure


def _explain(
    figure: Figure, picture: Picture, theme: Theme, styles: Mapping[str, Style], has_front: bool
) -> None:
    keys = [
        Line2D([], [], linestyle="", label=name, **{**style, "markerfacecolor": theme.page})
        for name, style in styles.items()
    ]
    if has_front:
        label = "Pareto front (filled):\nnone is better in\nas few bytes"
        keys.append(Line2D([], [], label=label, **_band(theme)))
    has_curves = any(len(line.x) > 1 for line in picture.lines)
    notes = "numbers: dimensions" + "\ndots: numCandidates" * has_curves
    keys.append(Line2D([], [], linestyle="", label=notes))
    figure.legend(handles=keys, loc="outside right upper", frameon=False, fontsize=8)


def _plot(
    figure: Figure,
    axes: Axes,
    picture: Picture,
    theme: Theme,
    styles: Mapping[str, Style],
    front: Sequence[int],
) -> None:
    """Marks that would hide each other stand side by side."""
    lines, pixels = picture.lines, axes.transData
    apart = _MARK * 1.15 * figure.dpi / 72
    true = pixels.transform([(line.x[-1], line.y[-1]) for line in lines])
    places = spread_marks(true.tolist(), apart)
    marks = pixels.inverted().transform(places)
    drawn: list[NDArray[Any]] = []
    if front:
        steps = np.vstack([marks[front], (axes.get_xlim()[1], marks[front[-1], 1])])
        (band,) = axes.plot(*steps.T, drawstyle="steps-post", zorder=1, **_band(theme))
        drawn.append(np.asarray(band.get_path().vertices))
    for name, style in styles.items():
        own = [n for n, line in enumerate(lines) if line.format.series == name]
        if picture.has_front and len(own) > 1 and not lines[own[0]].format.is_budget:
            drawn.append(marks[sorted(own, key=lambda n: lines[n].x[-1])])
            axes.plot(*drawn[-1].T, color=style["color"], linewidth=0.8, alpha=0.7, zorder=2)
        for n in own:
            if len(lines[n].x) > 1:
                before = np.column_stack([lines[n].x[:-1], lines[n].y[:-1]])
                drawn.append(np.vstack([before, marks[n]]))
                axes.plot(*drawn[-1].T, ".-", color=style["color"], linewidth=0.8, zorder=2)
            inside = style["color"] if n in front else theme.page
            dot = {**style, "markerfacecolor": inside, "markeredgecolor": style["color"]}
            axes.plot(*marks[n], linestyle="", clip_on=False, zorder=3, **dot)
    labels = _labels(lines, places, front, theme, apart)
    paths = [pixels.transform(line).tolist() for line in drawn]
    dots = pixels.transform([dot for line in lines for dot in zip(line.x, line.y, strict=True)])
    place_labels(figure, axes, labels, [*places, *dots.tolist()], paths, apart / 2)


def _band(theme: Theme) -> Style:
    return {"color": theme.front, "linewidth": 4, "alpha": 0.45, "solid_capstyle": "butt"}


def _labels(
    lines: Sequence[PlottedLine],
    places: Sequence[Point],
    front: Sequence[int],
    theme: Theme,
    apart: float,
) -> list[Label]:
    """The dimensions of each mark; one label where equal ones stand side by side."""
    by_dimensions: dict[int, list[int]] = {}
    for number, line in enumerate(lines):
        by_dimensions.setdefault(line.format.dimensions, []).append(number)
    found = []
    for dimensions, numbers in by_dimensions.items():
        for group in group_neighbours([places[n] for n in numbers], apart * 1.3):
            marks = [numbers[n] for n in group]
            colours = {theme.colour(family(lines[n].format)) for n in marks}
            colour = colours.pop() if len(colours) == 1 else theme.text
            is_first = any(n in front for n in marks)
            found.append(Label(str(dimensions), colour, [places[n] for n in marks], is_first))
    return found


def _front(lines: Sequence[PlottedLine]) -> list[int]:
    """Without models alone, which are no way to store vectors for a pair."""
    pair = [n for n, line in enumerate(lines) if not line.format.alone]
    front = pareto_front([lines[n].x[-1] for n in pair], [lines[n].y[-1] for n in pair])
    return [pair[n] for n in front]


def _style(name: str, lines: Sequence[PlottedLine], theme: Theme, mark: str) -> Style:
    format = next(line.format for line in lines if line.format.series == name)
    return {"color": theme.colour(family(format)), "marker": mark, "markersize": _MARK}


def _marks(names: Sequence[str]) -> Iterator[str]:
    others = iter(_OTHER_MARKS * len(names))
    for name in names:
        yield next((mark for word, mark in _MARKS.items() if word in name), None) or next(others)


def _set_limits(axes: Axes, picture: Picture) -> None:
    """Room around the marks; a share ends at 1, and at 0."""
    x = np.array([value for line in picture.lines for value in line.x])
    y = np.array([value for line in picture.lines for value in line.y])
    axes.set_xscale("log")
    factor = max(float(x.max() / x.min()), 1.5) ** 0.08
    axes.set_xlim(float(x.min()) / factor, float(x.max()) * factor)
    margin = max(float(y.max() - y.min()) * 0.08, 0.02)
    axes.set_ylim(max(float(y.min()) - margin, 0.0), min(float(y.max()) + margin, 1.0))
    _plain_numbers(axes, x.tolist())


def _plain_numbers(axes: Axes, values: Sequence[float]) -> None:
    """1, 2, 5, 10, ... as they are read, and not as powers of ten; more where they are near."""
    near = max(values) < 5 * min(values)
    ticks = [m * 10**e for e in range(-2, 6) for m in ((1, 1.5, 2, 3, 4, 6) if near else (1, 2, 5))]
    low, high = axes.get_xlim()
    axes.set_xticks([tick for tick in ticks if low <= tick <= high])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())
