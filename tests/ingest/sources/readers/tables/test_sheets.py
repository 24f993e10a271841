"""Workbooks: sheets of records, sheets that are documents, and what cannot be read."""

import io
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from leafsearch.ingest import Corpus, Document, Fields, Rejected, SourceError
from leafsearch.ingest.chunking.place import PlaceFinder
from leafsearch.ingest.document import Mark
from leafsearch.ingest.sources.readers import Whole
from leafsearch.ingest.sources.readers.tables import workbook
from leafsearch.ingest.sources.readers.tables.columns import AskedTypes, ColumnReport, Columns
from leafsearch.ingest.sources.readers.tables.sheets import read_sheets

DATA = Path(__file__).parents[4] / "data" / "tables"
Records = list[Any]


def book(fill: Callable[[Any], object]) -> bytes:
    raw = io.BytesIO()
    with xlsxwriter.Workbook(raw) as made:
        fill(made)
    return raw.getvalue()


def sheet(*rows: list[Any]) -> bytes:
    def fill(made: Any) -> None:
        where = made.add_worksheet("S")
        for number, row in enumerate(rows):
            where.write_row(number, 0, row)

    return book(fill)


def read(raw: bytes, fields: Fields | None = None, columns: Columns | None = None) -> Records:
    whole = Whole("b.xlsx", "docs/b.xlsx", "docs")
    return list(read_sheets(io.BytesIO(raw), whole, fields or Fields(), columns))


@pytest.mark.parametrize("name", ["crates.ods", "crates.xls", "crates.xlsx"])
def test_a_workbook_is_read_alike_from_every_format(name: str) -> None:
    corpus = Corpus([str(DATA / name)])

    apple, pear, notes = corpus.records()

    assert isinstance(apple, Document)
    assert isinstance(pear, Document)
    assert isinstance(notes, Document)
    assert (apple.id, apple.text) == ("1", "Apple crate")
    assert apple.metadata == {
        "price": 1.5,
        "stock": 12,
        "share": 0.25,
        "packed": datetime(2024, 5, 1),
        "sku": "007",
    }
    assert type(apple.metadata["stock"]) is int
    assert type(pear.metadata["price"]) is float
    assert list(pear.marks) == [Mark(0, {"sheet": "Crates", "row": 3})]
    assert list(apple.notes) == ["sheet 'Old' is hidden and not read"]
    assert notes.id == f"tables/{name}#Notes"
    assert notes.text == "Fruit: Apple; Season: Autumn\n\nFruit: Cherry; Season: Summer"
    assert (notes.title, notes.metadata["sheet"]) == ("crates: Notes", "Notes")
    assert list(corpus.columns.lines(AskedTypes())) == [
        f"{DATA / name}#Crates: price and share are float, stock is integer, packed is date, "
        "sku is text"
    ]


def test_chunks_of_a_sheet_know_their_rows() -> None:
    (found,) = read(sheet(["Fruit", "Season"], ["Apple", "Autumn"], [], ["Cherry", "Summer"]))

    places = PlaceFinder(found, found.text)
    second = found.text.index("Fruit: Cherry")

    assert places.at(0, second - 2, []) == {"sheet": "S", "row": 2}
    assert places.at(second, len(found.text), []) == {"sheet": "S", "row": 4}
    assert places.at(0, len(found.text), []) == {"sheet": "S", "row": 2, "last_row": 4}


def test_a_sheet_without_a_header_is_read_row_by_row() -> None:
    (found,) = read(sheet(["Report", 2024], ["Sales", 12.5, "", "EUR"]))

    assert found.text == "Report | 2024\n\nSales | 12.5 | EUR"
    (one,) = read(sheet(["just", "names"]))
    assert one.text == "just | names"


def test_cells_of_several_kinds_make_a_column_text_and_the_report_says_so() -> None:
    columns = Columns()
    raw = sheet(["text", "x"], ["T", 12], ["U", "n/a"], ["V", True], ["W", 0.5])

    found = read(raw, columns=columns)

    assert [r.metadata["x"] for r in found] == ["12", "n/a", "TRUE", "0.5"]
    assert list(columns.report.lines(AskedTypes())) == [
        "b.xlsx#S: x is text (it holds 12 in row 2 and n/a in row 3)"
    ]


def test_a_type_that_is_asked_for_overrules_the_cells() -> None:
    asked = AskedTypes.parse(["x=float", "n=text"])
    raw = sheet(["text", "x", "n"], ["T", "1.50", 7], ["U", 2, 8], ["V", "n/a", 9], ["W", "?", 1])

    *found, rejected = read(raw, columns=Columns(asked, ColumnReport()))

    assert [r.metadata.get("x") for r in found] == [1.5, 2.0, None]
    assert [r.metadata["n"] for r in found] == ["7", "8", "9"]
    assert rejected.reason == "field 'x': '?' does not fit --column-type x=float"


def test_dates_times_and_durations() -> None:
    def fill(made: Any) -> None:
        where = made.add_worksheet()
        where.write_row(0, 0, ["text", "when", "time", "long"])
        where.write(1, 0, "T")
        for column, (value, form) in enumerate(
            [(45413.5, "yyyy-mm-dd hh:mm"), (0.5, "hh:mm"), (1.5, "[h]:mm")], 1
        ):
            where.write(1, column, value, made.add_format({"num_format": form}))

    (found,) = read(book(fill))

    assert found.metadata == {
        "when": datetime(2024, 5, 1, 12),
        "time": "12:00:00",
        "long": timedelta(days=1.5).total_seconds(),
    }


def test_a_cell_that_spans_rows_counts_for_each_of_them() -> None:
    def fill(made: Any) -> None:
        where = made.add_worksheet()
        where.write_row(1, 1, ["text", "kind"])
        where.merge_range(2, 2, 3, 2, "fruit")
        where.write(2, 1, "apple")
        where.write(3, 1, "pear")
        where.write(4, 1, "stone")
        where.merge_range(5, 1, 5, 2, "wide")

    found = read(book(fill))

    assert [r.metadata for r in found] == [{"kind": "fruit"}, {"kind": "fruit"}, {}, {}]
    assert [r.marks[0].place["row"] for r in found] == [3, 4, 5, 6]


def test_errors_and_formulas_without_a_value_are_named() -> None:
    def fill(made: Any) -> None:
        where = made.add_worksheet("A & B")
        where.write_row(0, 0, ["text", "x"])
        where.write(1, 0, "T")
        where.write_formula(1, 1, "=1/0", None, "#DIV/0!")
        where.write(2, 0, "U")
        where.write_formula(2, 1, "=1+1", None, 2)

    first, second = read(book(fill))
    calculated = openpyxl.Workbook()
    assert calculated.active is not None
    for row in (["text", "x"], ["T", "=1+1"], ["U", "=A1"]):
        calculated.active.append(row)
    raw = io.BytesIO()
    calculated.save(raw)

    assert (first.metadata, second.metadata) == ({}, {"x": 2})
    assert list(first.notes) == ["sheet 'A & B': 1 cell with an error, such as B2, is left out"]
    assert list(read(raw.getvalue())[0].notes) == [
        "sheet 'Sheet': 2 formulas without a stored value, such as B2; open and save the file in "
        "a spreadsheet program"
    ]


def test_only_hidden_or_empty_sheets_are_a_reject_that_says_so() -> None:
    def fill(made: Any) -> None:
        made.add_worksheet("Empty")
        hidden = made.add_worksheet("Old")
        hidden.write(0, 0, "secret")
        hidden.hide()

    (hidden,) = read(book(fill))
    (empty,) = read(sheet())

    assert isinstance(hidden, Rejected)
    assert hidden.reason == "no sheet holds a document: sheet 'Old' is hidden and not read"
    assert empty.reason == "no sheet holds a cell"


def test_several_texts_and_rows_above_the_header() -> None:
    fields = Fields(text=["head", "body"], id="key")
    raw = sheet(["A list of crates"], [], ["key", "head", "body"], [7, "H", "B"], ["x", "", "C"])

    first, second = read(raw, fields)

    assert (first.id, first.text, second.text) == ("7", "H\n\nB", "C")
    assert list(first.notes) == [
        "what stands above the header in row 3 is not read: A list of crates"
    ]
    assert list(second.notes) == []


def test_a_text_field_that_no_sheet_has_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"no sheet with a column 'body' \(first rows: S: id, x"):
        read(sheet(["id", "x"], [1, 2]), Fields(text="body"))


def test_a_password_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"protected.xlsx: is protected by a password"):
        list(Corpus([str(DATA / "protected.xlsx")]).records())
    assert len(list(Corpus([str(DATA / "protected.xlsx")]).problems())) == 1


@pytest.mark.parametrize("kept", [0, 4, 100, 3000])
def test_a_damaged_workbook_is_named(kept: int) -> None:
    raw = (DATA / "crates.xlsx").read_bytes()[:kept]

    with pytest.raises(SourceError, match="not a workbook, or damaged"):
        read(raw)


def test_a_zip_of_something_else_is_named() -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as packed:
        packed.writestr("a.txt", "T")

    with pytest.raises(SourceError, match="not a workbook, or damaged"):
        read(raw.getvalue())


@pytest.mark.parametrize("at", range(60, 7000, 611))
def test_no_damage_ends_in_another_error(at: int) -> None:
    raw = bytearray((DATA / "crates.xlsx").read_bytes())
    raw[at : at + 40] = bytes(255 - byte for byte in raw[at : at + 40])

    reasons = []
    try:
        read(bytes(raw))
    except SourceError as error:
        reasons = [str(error)]

    named = ("damaged", "password", "more than")
    assert all(any(name in reason for name in named) for reason in reasons)


@pytest.mark.long
def test_a_sheet_that_unpacks_to_too_much_is_refused() -> None:
    raw = io.BytesIO((DATA / "crates.xlsx").read_bytes())
    with (
        zipfile.ZipFile(raw, "a", zipfile.ZIP_DEFLATED) as packed,
        packed.open("xl/worksheets/sheet9.xml", "w") as part,
    ):
        for _ in range(workbook.MAX_XML // 2**24 + 1):
            part.write(bytes(2**24))

    with pytest.raises(SourceError, match="more than 536,870,912 unpacked bytes"):
        read(raw.getvalue())


def test_a_workbook_that_cannot_seek_is_read() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    raw = (DATA / "crates.xlsx").read_bytes()

    assert len(list(read_sheets(Pipe(raw), Whole("f", "f"), Fields()))) == 3
