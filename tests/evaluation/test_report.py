import pytest

from leafsearch.evaluation import Curve, Format, Judged, Report, Step, SweepReport
from leafsearch.evaluation.cached_rows import Milliseconds
from leafsearch.evaluation.formats import formats
from leafsearch.evaluation.report import print_report, print_sweep
from leafsearch.evaluation.trial import Sizes

SIZES, LATENCY = Sizes(1538, 12345.6, 2127), Milliseconds(10.25, 20.75)
FORMATS = formats(1024, one_model=False)
MODELS = {"teacher": "t at 1", "student": "s at 1"}


def judged(format: Format) -> Judged:
    return Judged(
        format=format,
        ndcg=0.25,
        recall=0.5,
        mrr=0.125,
        overlap=1,
        sizes=SIZES,
        latency=LATENCY,
    )


def report() -> Report:
    return Report(
        collection="c",
        documents=10,
        queries=2,
        models=MODELS,
        encoding={"student": LATENCY},
        warnings=[],
        rows=[judged(format) for format in FORMATS],
        seconds=1,
    )


def swept() -> SweepReport:
    steps = [Step(n, 0.5, LATENCY) for n in (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)]
    return SweepReport(
        collection="c",
        documents=10,
        queries=2,
        sampled=True,
        k=10,
        models=MODELS,
        curves=[Curve(format, 0.75, steps, SIZES) for format in FORMATS],
        seconds=1,
    )


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_a_terminal_breaks_no_line_of_the_tables(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # or the output is no terminal
    monkeypatch.setenv("COLUMNS", str(width))

    print_report(report())
    of_report = capsys.readouterr().out
    print_sweep(swept())
    of_sweep = capsys.readouterr().out

    assert all(len(line) <= width for line in of_sweep.splitlines())
    heads = ["nDCG@10", "recall@100", "overlap@10", "BSON bytes", "index bytes", "ms p95"]
    assert [of_report.count(f" {head}") for head in heads] == [1] * len(heads)
    for printed in (of_report, of_sweep):
        lines = printed.splitlines()
        pieces = sum(line.startswith("format ") for line in lines)
        for format in FORMATS:
            beginning = f"{format.name.ljust(18)}{format.dimensions:>4}  "
            assert sum(line.startswith(beginning) for line in lines) == pieces


def test_a_pipe_gets_each_format_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(report())

    lines = capsys.readouterr().out.splitlines()
    (row,) = [line.split() for line in lines if line.startswith("server's scalar ")]
    assert row[2:] == [
        *("1024", "0.2500", "100.0%", "0.5000", "0.1250", "1.000"),
        *("1,538", "12,346", "2,127", "10.2", "20.8"),
    ]
    assert "the student encodes a query in 10.2 ms, p95 20.8" in lines
