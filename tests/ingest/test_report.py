import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from leafsearch.ingest import Corpus, Document, Rejects, Summary, Target, ingest
from leafsearch.ingest.cli.report import line, progress

Open = Callable[..., Target]


@pytest.fixture
def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=80, _environ={"TERM": "xterm"})


def last_line(terminal: Console) -> str:
    assert isinstance(terminal.file, io.StringIO)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.file.getvalue())
    return [line for line in plain.splitlines() if line.strip()][-1]


def test_the_line_says_how_much_is_done_and_how_fast() -> None:
    summary = Summary(documents=1234, chunks=5256)

    assert line(summary, 45_678) == "1,234 docs, 5,256 chunks, 45.7k tokens/s"
    assert line(Summary(documents=10_500, chunks=1_500_000), 0) == "10.5k docs, 1.5M chunks"
    assert line(Summary(documents=1, chunks=1), 0) == "1 doc, 1 chunk"
    # Of a document that is long in the making, its chunks count as soon as they are written.
    assert line(Summary(planned=9, encoded=4), 0) == "4 chunks"
    assert line(Summary(planned=9), 0) == "reading: 9 chunks"
    assert line(Summary(rejected=2), 0).endswith(", 2 rejected")


def test_a_terminal_sees_a_bar_that_ends_with_all_that_was_read(
    target: Open, terminal: Console, tmp_path: Path
) -> None:
    Path("c.jsonl").write_text("".join(f'{{"text": "Text {n}."}}\n' for n in range(30)))
    corpus = Corpus(["c.jsonl"])

    with progress(corpus, terminal) as display:
        display.begin()
        ingest(
            corpus.records(), target(), rejects=Rejects(tmp_path / "r"), on_progress=display.step
        )

    last = last_line(terminal)
    assert re.search(r"━ 100% 30 docs, 30 chunks, [\d.,]+k? tokens/s .* left", last), last


def test_the_line_of_a_large_corpus_fits_80_columns(terminal: Console) -> None:
    Path("c.jsonl").write_text("x" * 1000)
    summary = Summary(documents=299_999, chunks=1_499_999, tokens=10**9, planned=1_500_000)

    with progress(Corpus(["c.jsonl"]), terminal) as display:
        display.begin()
        display.step(summary)
        summary.rejected = 12_345
        display.step(summary)

    last = last_line(terminal)
    assert re.search(r"300k docs, 1.5M chunks, [\d,.]+M tokens/s, 12.3k rejected", last), last
    assert len(last.rstrip()) <= 80


def test_what_comes_through_a_pipe_has_no_end_that_is_known(terminal: Console) -> None:
    with progress(Corpus(["-"]), terminal) as display:
        display.begin()
        display.step(Summary(documents=1, chunks=2))

    last = last_line(terminal)
    assert "1 doc, 2 chunks 0:00:00 so far" in last


def test_a_model_that_is_loaded_is_reported_while_all_waits_for_it(terminal: Console) -> None:
    Path("c.jsonl").write_text("x" * 1000)

    with progress(Corpus(["c.jsonl"]), terminal) as display:
        display.begin()
        display.phase("loading the/model")
        display.step(Summary(planned=9))

    assert "loading the/model" in last_line(terminal)


def test_who_is_no_terminal_sees_nothing_and_no_file_is_counted() -> None:
    file = io.StringIO()

    with progress(Corpus(["no such file"]), Console(file=file)) as display:
        display.begin()
        display.phase("waiting")
        display.step(Summary())

    assert file.getvalue() == ""


def test_long_encoding_tells_of_itself_in_between(target: Open, tmp_path: Path) -> None:
    reported: list[int] = []
    documents = [Document(str(n), f"Text {n}.") for n in range(3000)]

    ingest(
        documents,
        target(),
        rejects=Rejects(tmp_path / "r"),
        on_progress=lambda summary: reported.append(summary.chunks),
    )

    assert reported == sorted(reported)
    assert len(set(reported)) > 3
    assert reported[-1] == 3000
