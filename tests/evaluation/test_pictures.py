from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib", reason="needs the extra [eval]")

from leafsearch.evaluation import Curve, Judged, Report, Step, SweepReport
from leafsearch.evaluation.cached_rows import Milliseconds
from leafsearch.evaluation.formats import Format, formats
from leafsearch.evaluation.pictures import draw
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


@pytest.mark.long
def test_the_same_report_gives_the_same_svg(tmp_path: Path) -> None:
    first, second = draw(report(), tmp_path / "a"), draw(report(), tmp_path / "b")

    for one, other in zip(first, second, strict=True):
        if one.suffix == ".svg":
            assert one.read_bytes() == other.read_bytes()
            ElementTree.parse(one)
