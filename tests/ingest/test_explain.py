"""What a run says of documents that it could not read whole, and `--explain`."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.ingest.document import Document, Omission, Place
from leafsearch.ingest.pipeline.remarks import Remarks, share_left_out

pytest.importorskip("pypdfium2", reason="needs the extra [formats]")
fpdf: Any = pytest.importorskip("fpdf")

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def manual() -> Path:
    """A PDF of four pages: each with a long running head, the second without anything else."""
    pdf = fpdf.FPDF()
    for number in range(1, 5):
        pdf.add_page()
        pdf.set_font("Helvetica", size=10)
        pdf.text(20, 12, "The Complete And Unabridged Manual Of Pumps")
        if number != 2:
            pdf.text(20, 60, f"Pump {number} has few words.")
        if number == 3:
            pdf.add_page()
    folder = Path("manuals")
    folder.mkdir()
    (folder / "a.pdf").write_bytes(bytes(pdf.output()))
    (folder / "b.txt").write_text("Plain words.")
    return folder


def test_a_run_counts_what_was_left_out_and_repeats_the_notes(
    leaf_ingest: Run, manual: Path, database: Database[Any]
) -> None:
    ended = leaf_ingest(manual, "--json")
    summary = json.loads(ended.stdout)

    assert (ended.returncode, summary["trimmed"], summary["noted"]) == (0, 1, 1)
    assert "manuals/a.pdf: page 4 is empty" in ended.stderr
    assert "1 document left out more than 5% of the visible words" in ended.stderr
    assert "leaf-ingest --explain FILE" in ended.stderr
    places = [chunk["place"] for chunk in database["chunks"].find({"document": "manuals/a.pdf"})]
    assert places == [{"page": 1, "last_page": 5}]


def test_explain_shows_what_was_left_out_and_why_and_writes_nothing(
    leaf_ingest: Run, manual: Path, database: Database[Any]
) -> None:
    ended = leaf_ingest("--explain", manual)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "manuals/a.pdf: document manuals/a.pdf" in ended.stdout
    assert "running head or page number: The Complete And Unabridged Manual Of" in ended.stdout
    assert "note: page 4 is empty" in ended.stdout
    assert "manuals/b.txt: document manuals/b.txt\n  2 words of text; nothing was left out" in (
        ended.stdout
    )
    assert database.list_collection_names() == []


def test_explain_in_json_has_the_text_and_its_places(leaf_ingest: Run, manual: Path) -> None:
    first, second = map(json.loads, leaf_ingest(manual, "--explain", "--json").stdout.splitlines())

    assert first["text"].startswith("Pump 1 has few words.")
    assert first["metadata"] == {"path": "manuals/a.pdf"}
    assert first["places"][0] == {"offset": 0, "page": 1}
    assert sum(part["words"] for part in first["left_out"]) == 28
    assert (second["text"], second["left_out"], second["notes"]) == ("Plain words.", [], [])


def test_explain_names_rejected_files_and_takes_no_collection(leaf_ingest: Run) -> None:
    Path("docs").mkdir()
    Path("docs/broken.pdf").write_bytes(b"no PDF at all")

    ended = leaf_ingest("--explain", "docs")
    assert ended.returncode == 3
    assert "docs/broken.pdf: rejected: not a PDF, or a damaged one" in ended.stdout

    refused = leaf_ingest("--explain", "mongodb:shop.articles")
    assert refused.returncode == 2
    assert "--explain: for files only" in refused.stderr


def test_explain_counts_the_records_of_a_table(leaf_ingest: Run) -> None:
    Path("a.csv").write_text("id,text\n1,one\n2,two\n3,\n")

    ended = leaf_ingest("--explain", "a.csv")

    assert ended.returncode == 3
    assert "a.csv:4: rejected: field 'text' is empty" in ended.stdout
    assert ended.stdout.endswith("a.csv: 2 records; nothing was left out\n")


def test_only_a_share_above_the_limit_counts() -> None:
    remarks = Remarks()
    for words in (5, 6, 50):
        omission = Omission("menu", words, "Home")
        remarks.add(Document("d", "t", place=Place(f"f{words}"), omissions=[omission], words=100))

    (line,) = remarks.lines()
    assert (remarks.trimmed, remarks.noted) == (2, 0)
    assert "2 documents left out more than 5% of the visible words" in line
    assert "(most: f50 50%, f6 6%)" in line


def test_many_notes_are_shortened() -> None:
    remarks = Remarks()
    for number in range(14):
        remarks.add(
            Document("d", "t", place=Place(f"f{number}"), notes=[f"page {number} is empty"])
        )

    lines = list(remarks.lines())
    assert lines[0] == "f0: page 0 is empty"
    assert lines[-1] == "14 documents have such notes in all"
    assert len(lines) == 11
    assert share_left_out(Document("d", "t")) == 0
