"""Columns, tables, running heads, headings and empty pages of PDF files."""

import io
from collections.abc import Sequence
from typing import Any

import pytest

from leafsearch.ingest import Document
from leafsearch.ingest.sources.readers import Whole
from leafsearch.ingest.sources.readers.pdf import read_pdf

pytest.importorskip("pypdfium2", reason="needs the extra [formats]")
fpdf: Any = pytest.importorskip("fpdf")

LEFT = [f"The left column tells of pump {i} and its" for i in range(12)]
RIGHT = [f"while the right one speaks of valve {i} in" for i in range(12)]


class Page:
    """Draws text at places of a page; `y` grows downwards, in millimetres."""

    def __init__(self) -> None:
        self.pdf = fpdf.FPDF()

    def add(self) -> None:
        self.pdf.add_page()
        self.pdf.set_font("Helvetica", size=10)

    def read(self) -> Document:
        (found,) = read_pdf(io.BytesIO(bytes(self.pdf.output())), Whole("f", "a.pdf", "s"))
        assert isinstance(found, Document), found
        return found


@pytest.fixture
def page() -> Page:
    return Page()


def draw_columns(page: Page, columns: Sequence[tuple[float, Sequence[str]]]) -> None:
    """Row by row across all columns, as some programs draw them."""
    for number in range(max(len(lines) for _, lines in columns)):
        for x, lines in columns:
            if number < len(lines):
                page.pdf.text(x, 40 + 5 * number, lines[number])


def test_two_columns_drawn_row_by_row_are_read_one_after_the_other(page: Page) -> None:
    page.add()
    page.pdf.text(20, 20, "A Paper In Two Columns")
    draw_columns(page, [(20, LEFT), (110, RIGHT)])

    text = page.read().text

    assert text == "\n".join(["A Paper In Two Columns", *LEFT, *RIGHT])


def test_columns_of_unequal_length_and_three_columns(page: Page) -> None:
    page.add()
    third = [f"third column, line {i} of it" for i in range(10)]
    draw_columns(page, [(15, LEFT[:12]), (90, [r[:28] for r in RIGHT[:9]]), (150, third)])

    lines = page.read().text.split("\n")

    assert lines == [*LEFT[:12], *[r[:28].strip() for r in RIGHT[:9]], *third]


def test_a_word_broken_at_the_end_of_a_column_s_line_is_joined(page: Page) -> None:
    page.add()
    left = [*LEFT[:3], "every valve is inter-", "nationally known by its"]
    draw_columns(page, [(20, left), (110, RIGHT[:5])])

    assert "internationally known" in page.read().text


def test_columns_with_a_heading_across_them_and_a_closing_line(page: Page) -> None:
    page.add()
    draw_columns(page, [(20, LEFT), (110, RIGHT)])
    page.pdf.text(20, 120, "This closing sentence is as wide as the page is and crosses the gap.")

    assert page.read().text.split("\n")[-1].startswith("This closing sentence")


def test_a_table_keeps_its_cells_in_rows(page: Page) -> None:
    page.add()
    page.pdf.text(20, 20, "Prices of the parts.")
    rows = [("Part", "Price", "Stock"), ("Seal of rubber", "1.25", "400"), ("Lid", "", "7")]
    for number, row in enumerate(rows):
        for x, cell in zip((20, 90, 140), row, strict=True):
            page.pdf.text(x, 40 + 6 * number, cell)
    page.pdf.text(20, 90, "After the table.")

    assert page.read().text == (
        "Prices of the parts.\n\n"
        "| Part | Price | Stock |\n|---|---|---|\n| Seal of rubber | 1.25 | 400 |\n"
        "| Lid |  | 7 |\n\n"
        "After the table."
    )


def test_a_table_with_borders_and_a_bar_in_a_cell(page: Page) -> None:
    page.add()
    with page.pdf.table() as table:
        for row in (("Name", "Sign"), ("or", "a|b"), ("and", "a&b")):
            table.row(row)

    assert page.read().text == "| Name | Sign |\n|---|---|\n| or | a\\|b |\n| and | a&b |"


def test_borders_tell_cells_with_narrow_gaps_and_lines_within_a_cell(page: Page) -> None:
    page.add()
    rows = [
        ("Part", "Price", "Remark"),
        ("Seal", "1.25", "made of rubber and " * 4),
        ("Lid", "9", "x"),
    ]
    with page.pdf.table(col_widths=(16, 16, 60), width=92, line_height=5) as table:
        for row in rows:
            table.row(row)

    assert page.read().text == (
        "| Part | Price | Remark |\n|---|---|---|\n"
        f"| Seal | 1.25 | {('made of rubber and ' * 4).strip()} |\n| Lid | 9 | x |"
    )


def test_signs_of_list_items_that_are_drawn_last_stand_before_their_text(page: Page) -> None:
    page.add()
    for number, item in enumerate(("Loosen the lid.", "Pull the rod.")):
        page.pdf.text(30, 30 + 8 * number, item)
    for number in range(2):
        page.pdf.text(22, 30 + 8 * number, f"{number + 1}.")

    assert page.read().text == "1. Loosen the lid.\n2. Pull the rod."


def test_the_values_of_fields_and_boxes_stand_beside_their_labels(page: Page) -> None:
    page.add()
    page.pdf.text(20, 30, "Owner:")
    page.pdf.text(20, 50, "Remarks:")
    for y, value in ((26, "Ada Lovelace"), (46, "needs grease")):
        page.pdf.free_text_annotation(value, x=60, y=y, w=60, h=8)

    assert page.read().text == "Owner: Ada Lovelace\nRemarks: needs grease"


def test_a_list_with_a_wide_indent_is_no_table_and_ends_the_one_above_it(page: Page) -> None:
    page.add()
    rows = [("Part", "Price"), ("Seal", "1.25"), ("Lid", "9.80")]
    for number, row in enumerate(rows):
        for x, cell in zip((20, 60), row, strict=True):
            page.pdf.text(x, 30 + 6 * number, cell)
    page.pdf.text(20, 48, "Details")
    for number, item in enumerate(("Open the lid.", "Remove the seal.")):
        page.pdf.text(22, 54 + 6 * number, f"{number + 1}.")
        page.pdf.text(30, 54 + 6 * number, item)

    assert page.read().text == (
        "| Part | Price |\n|---|---|\n| Seal | 1.25 |\n| Lid | 9.80 |\n\n"
        "Details\n1. Open the lid.\n2. Remove the seal."
    )


def test_a_cell_of_several_lines_without_borders_is_one_cell(page: Page) -> None:
    page.add()
    rows = [
        ("Part", "Remark"),
        ("Seal", "made of rubber,"),
        ("", "renewed each year"),
        ("Lid", "x"),
    ]
    for (part, remark), y in zip(rows, (30, 38, 42, 50), strict=True):
        page.pdf.text(20, y, part)
        page.pdf.text(80, y, remark)

    assert "| Seal | made of rubber, renewed each year |\n| Lid | x |" in page.read().text


def test_dots_before_a_page_number_are_shortened(page: Page) -> None:
    page.add()
    page.pdf.text(20, 20, "Installing " + ". " * 40 + "12")

    assert page.read().text == "Installing ... 12"


def manual(page: Page, pages: int, head: str = "Operations Manual", foot: str = "{}") -> None:
    for number in range(1, pages + 1):
        page.add()
        page.pdf.text(20, 12, head.format(number))
        page.pdf.text(160, 12, f"Part {1 + number // 5}")
        for line in range(10):
            page.pdf.text(20, 40 + 6 * line, f"Pump {number * 7 + line} has its own words here.")
        page.pdf.text(100, 287, foot.format(number))


@pytest.mark.parametrize("foot", ["{}", "Page {} of 8", "- {} -", "{} / 8"])
def test_running_heads_and_page_numbers_are_left_out_and_told(page: Page, foot: str) -> None:
    manual(page, 8, foot=foot)

    found = page.read()

    assert "Operations" not in found.text
    assert found.text.split("\n\n")[2].split("\n")[0] == "Pump 21 has its own words here."
    assert all(len(part.split("\n")) == 10 for part in found.text.split("\n\n"))
    assert {o.reason for o in found.omissions} == {"running head or page number"}
    assert found.words == len(found.text.split()) + found.words_left_out


def test_two_pages_and_numbers_that_do_not_count_pages_lose_nothing(page: Page) -> None:
    manual(page, 2)
    assert "Operations Manual" in page.read().text

    other = Page()
    for number in (17, 4, 90, 33):
        other.add()
        other.pdf.text(20, 12, f"Batch {number}")
        other.pdf.text(20, 60, f"The batch of the day weighs {number} tons.")

    assert [f"Batch {n}" in other.read().text for n in (17, 4, 90, 33)] == [True] * 4


def test_the_head_of_a_table_that_is_repeated_on_each_page_stays(page: Page) -> None:
    for number in range(4):
        page.add()
        for row in range(5):
            cells = ("Part", "Price") if not row else (f"Seal {number}{row}", f"{row}.50")
            for x, cell in zip((20, 90), cells, strict=True):
                page.pdf.text(x, 12 + 6 * row, cell)

    assert page.read().text.count("| Part | Price |") == 4


def test_lines_that_the_outline_names_are_headings(page: Page) -> None:
    page.add()
    page.pdf.start_section("1. Installing", level=0)
    page.pdf.text(20, 30, "1. Installing")
    page.pdf.text(20, 40, "Installing needs a pump.")
    page.pdf.start_section("On Linux", level=1)
    page.pdf.text(20, 50, "On Linux")
    page.pdf.text(20, 60, "There it is quick.")

    assert page.read().text == (
        "# 1. Installing\n\nInstalling needs a pump.\n\n## On Linux\n\nThere it is quick."
    )


def test_pages_without_text_are_named(page: Page) -> None:
    image: Any = pytest.importorskip("PIL.Image")
    for number in range(1, 8):
        page.add()
        if number in (1, 5):
            page.pdf.text(20, 30, f"Words of page {number}.")
        if number in (2, 3, 6):
            page.pdf.image(image.new("L", (40, 40), 128), 10, 10, 100)

    found = page.read()

    assert list(found.notes) == [
        "pages 2-3, 6 are without text; run OCR on scans to find their words",
        "pages 4, 7 are empty",
    ]
    assert [(m.offset, dict(m.place)) for m in found.marks] == [(0, {"page": 1}), (18, {"page": 5})]
    assert found.text == "Words of page 1.\n\nWords of page 5."


def test_each_page_begins_at_its_mark(page: Page) -> None:
    manual(page, 6)

    found = page.read()

    for mark in found.marks:
        number = mark.place["page"]
        assert found.text[mark.offset :].startswith(f"Pump {number * 7} has")
