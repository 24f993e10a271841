"""Presentations: slides with their number, notes, groups, tables and charts."""

import io
import zipfile

import pytest

from leaftests.reading import DOCUMENTS, read_one

pytest.importorskip("lxml", reason="needs the extra [formats]")


def test_a_slide_has_its_title_notes_groups_tables_and_charts() -> None:
    found = read_one((DOCUMENTS / "python-pptx.pptx").read_bytes(), "pptx")

    assert found.text == (
        "# Slideone alphatitle\n\n- bulletone\n    - nestedbullet\n\n"
        "Notes: speakernote about pumps\n\n# Slidetwo betatitle\n\ngroupedword\n\n"
        "| Part | Price |\n| --- | --- |\n| cellone | 9.80 |\n\n"
        "|  | seriesword |\n| --- | --- |\n| chartcategory | 1.5 |\n| x | 2 |"
    )
    second = found.text.index("# Slidetwo")
    assert [(m.offset, m.place) for m in found.marks] == [(0, {"page": 1}), (second, {"page": 2})]


@pytest.mark.parametrize("name", ["pandoc.pptx", "libreoffice.odp"])
def test_each_slide_is_a_page(name: str) -> None:
    found = read_one((DOCUMENTS / name).read_bytes(), name[-4:].strip("."))

    pages = {mark.place["page"]: found.text[mark.offset :] for mark in found.marks}
    assert list(pages) == [1, 2, 3, 4, 5]
    assert pages[2].startswith("# Installing alphaheading")
    assert pages[4].startswith("# Last deltaheading")


@pytest.mark.parametrize("title", ["PowerPoint-Präsentation", "Présentation PowerPoint"])
def test_a_title_that_powerpoint_made_up_is_not_used(title: str) -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(DOCUMENTS / "python-pptx.pptx") as given, zipfile.ZipFile(raw, "w") as to:
        for name in given.namelist():
            content = given.read(name)
            if name == "docProps/core.xml":
                content = content.replace(b"Bilge pump deck", title.encode())
            to.writestr(name, content)

    assert read_one(raw.getvalue(), "pptx").title == "Slideone alphatitle"
