from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, cycle
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib", reason="needs the extra [eval]")

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from leafsearch.evaluation import Curve, Judged, Report, Step, SweepReport
from leafsearch.evaluation.cached_rows import Milliseconds
from leafsearch.evaluation.formats import Format, formats
from leafsearch.evaluation.labels import spread_marks
from leafsearch.evaluation.pictures import THEMES, Picture, PlottedLine, draw, draw_figure
from leafsearch.evaluation.trial import Sizes

NAMES = {
    f"{picture}-{theme}.{kind}"
    for picture in ("quality-bytes", "recall-latency")
    for theme in ("light", "dark")
    for kind in ("png", "svg")
}
MODELS = {"teacher": "t at 1", "student": "s at 1"}


def report() -> Report:
    found = [judged(n, format) for n, format in enumerate(formats(1024, one_model=False))]
    return Report(
        collection="c",
        documents=10,
        queries=2,
        models=MODELS,
        encoding={},
        warnings=[],
        rows=found,
        seconds=1,
    )


def judged(number: int, format: Format) -> Judged:
    return Judged(
        format=format,
        ndcg=0.3 + number / 1000,
        recall=0.5,
        mrr=0.4,
        overlap=1,
        sizes=Sizes(100 * format.dimensions, 2000, None),
        latency=Milliseconds(2 + number, 9),
    )


def sweep_report() -> SweepReport:
    steps = [Step(n, n / 100, Milliseconds(n / 10, n)) for n in (10, 20, 50, 100)]
    curves = [
        Curve(format, 0.9, steps, Sizes(100, 200, 300)) for format in formats(256, one_model=True)
    ]
    return SweepReport(
        collection="c",
        documents=10,
        queries=2,
        sampled=True,
        k=10,
        models=MODELS,
        curves=curves,
        seconds=1,
    )


@pytest.mark.parametrize("made", [report, sweep_report])
def test_each_picture_is_drawn_for_light_and_dark(made: object, tmp_path: Path) -> None:
    files = draw(made(), tmp_path / "new/folder")  # type: ignore[operator]

    assert {file.name for file in files} == NAMES
    assert all(file.stat().st_size > 10_000 for file in files)


def picture(values: Sequence[tuple[float, float]], dimensions: int = 384) -> Picture:
    """Values of x and y, repeated for all formats."""
    found = formats(dimensions, one_model=False)
    lines = [
        PlottedLine(format, [x], [y]) for format, (x, y) in zip(found, cycle(values), strict=False)
    ]
    return Picture("p", "title", "about", "x", "y", lines, has_front=True)


SPREADS = {
    "one place": [(2.0, 0.5)],
    "the best that there is": [(50.0, 1.0), (200.0, 1.0), (1500.0, 1.0)],
    "nothing found": [(2.0, 0.0)],
    "near each other": [(2 + n / 50, 0.5 + (n * 7 % 5) / 1000) for n in range(30)],
    "a slope": [(50.0 * 1.2**n, 0.2 + n / 100) for n in range(30)],
}


@pytest.mark.parametrize("size", [(8.0, 5.0), (14.0, 9.0)])
@pytest.mark.parametrize("spread", SPREADS)
def test_no_mark_hides_another_and_no_label_covers_anything(
    spread: str, size: tuple[float, float]
) -> None:
    made = picture(SPREADS[spread])
    figure = draw_figure(made, THEMES["light"], size)

    marks, labels = marks_of(figure), labels_of(figure)
    assert len(marks) == len(made.lines)
    assert {text for text, _ in labels} == {str(line.format.dimensions) for line in made.lines}
    for one, other in combinations(marks, 2):
        assert not one.padded(-0.5).overlaps(other.padded(-0.5))
    for (_, box), (_, other) in combinations(labels, 2):
        assert not box.overlaps(other)
    reach = 60 * figure.dpi / 72
    for _, box in labels:
        assert not any(box.overlaps(mark.padded(-0.5)) for mark in marks)
        assert any(box.padded(reach).overlaps(mark) for mark in marks)


def marks_of(figure: Figure) -> list[Bbox]:
    """The boxes of marks, in pixels."""
    (axes,) = figure.axes
    radius = 6.5 / 2 * figure.dpi / 72
    dots = [line for line in axes.lines if line.get_linestyle() == "None"]
    places = [axes.transData.transform(line.get_xydata()[0]) for line in dots]
    return [Bbox.from_extents(*(at - radius), *(at + radius)) for at in places]


def labels_of(figure: Figure) -> list[tuple[str, Bbox]]:
    canvas = FigureCanvasAgg(figure)
    return [(t.get_text(), t.get_window_extent(canvas.get_renderer())) for t in figure.texts]


def test_a_share_ends_at_1() -> None:
    for made in (picture([(2, 0.9), (3, 1.0)]), picture([(2, 1.0)]), picture([(2, 0.999)])):
        (axes,) = draw_figure(made, THEMES["dark"]).axes
        assert axes.get_ylim()[1] == 1.0


def test_marks_that_are_apart_stay_and_others_move_sideways() -> None:
    apart = [(0.0, 0.0), (30.0, 0.0), (0.0, 30.0)]
    together = spread_marks([(5.0, 5.0), (5.0, 5.0), (6.0, 7.0)], 10)

    assert spread_marks(apart, 10) == apart
    assert [y for _, y in together] == [5, 5, 7]
    assert sorted(x for x, _ in together) == pytest.approx([-4.7, 5.3, 15.3], abs=0.5)


def test_the_pareto_front_is_filled_and_joined_without_models_alone() -> None:
    made = picture(SPREADS["a slope"])
    better = [line for line in made.lines if not line.format.alone]
    figure = draw_figure(made, THEMES["light"])

    (axes,) = figure.axes
    page = THEMES["light"].page
    dots = [line for line in axes.lines if line.get_linestyle() == "None"]
    assert sum(dot.get_markerfacecolor() != page for dot in dots) == len(better)
    (steps,) = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
    assert len(steps.get_xdata()) == len(better) + 1


@pytest.mark.parametrize("made", [report, sweep_report])
def test_one_format_is_no_picture(made: Any, tmp_path: Path) -> None:
    whole = made()
    one = (
        replace(whole, rows=whole.rows[:1])
        if isinstance(whole, Report)
        else replace(whole, curves=whole.curves[:1])
    )

    assert draw(one, tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


@pytest.mark.long
def test_the_same_report_gives_the_same_svg(tmp_path: Path) -> None:
    first, second = draw(report(), tmp_path / "a"), draw(report(), tmp_path / "b")

    for one, other in zip(first, second, strict=True):
        if one.suffix == ".svg":
            assert one.read_bytes() == other.read_bytes()
            ElementTree.parse(one)
