"""What Word has beside paragraphs: boxes, controls, changes, comments, numbers, running heads."""

import io
import zipfile

import pytest

from leaftests.reading import DOCUMENTS, read_one, reason_of

pytest.importorskip("lxml", reason="needs the extra [formats]")

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def docx(body: str, **parts: str) -> bytes:
    """A document whose further parts are related to it by their names."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr(
            "word/document.xml", f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>'
        )
        relations = "".join(
            f'<Relationship Id="{kind}" Type="http://x/{kind}" Target="{kind}.xml"/>'
            for kind in parts
        )
        archive.writestr(
            "word/_rels/document.xml.rels", f"<Relationships>{relations}</Relationships>"
        )
        for kind, text in parts.items():
            archive.writestr(f"word/{kind}.xml", f'<w:{kind} xmlns:w="{W}">{text}</w:{kind}>')
    return raw.getvalue()


def p(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def test_everything_that_word_shows_is_read_once() -> None:
    found = read_one((DOCUMENTS / "python-docx.docx").read_bytes(), "docx")

    for word in (
        *("insertedword", "textboxword floats", "contentcontrolword", "smarttagword"),
        *("hyphenword", "aftertab", "afterbreak", "fieldword", "innercell", "AT&T <tag> 5 < 6"),
    ):
        assert found.text.count(word) == 1, word
    assert "[Comment by R: commentword by a reader]" in found.text
    assert "deletedword" not in found.text
    assert "DATE" not in found.text  # the code of a field
    assert "- bulletone\n- bullettwo\n    - nestedbullet\n1. numberone\n2. numbertwo" in found.text


def test_running_heads_are_left_out_and_reported() -> None:
    found = read_one((DOCUMENTS / "python-docx.docx").read_bytes(), "docx")

    assert "headerword" not in found.text
    assert [(o.reason, o.words, o.text) for o in found.omissions] == [
        ("running head", 4, "headerword of each page"),
        ("running foot", 4, "footerword of each page"),
    ]
    assert found.words == len(found.text.split()) + 8


def test_numbers_are_counted_as_word_shows_them() -> None:
    levels = "".join(
        f'<w:lvl w:ilvl="{i}"><w:start w:val="1"/><w:numFmt w:val="{form}"/>'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
        for i, (form, text) in enumerate(
            [("decimal", "%1."), ("lowerLetter", "(%2)"), ("lowerRoman", "%1.%3.")]
        )
    )
    numbering = (
        f'<w:abstractNum w:abstractNumId="7">{levels}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>'
    )
    numbers = '<w:numPr><w:ilvl w:val="{}"/><w:numId w:val="1"/></w:numPr>'
    heading = numbers.format(0) + '<w:outlineLvl w:val="0"/>'
    body = "".join(
        [
            p("Scope", heading),
            p("first", numbers.format(1)),
            p("second", numbers.format(1)),
            p("deep", numbers.format(2)),
            p("Terms", heading),
            p("third", numbers.format(1)),
        ]
    )

    assert read_one(docx(body, numbering=numbering), "docx").text == (
        "# 1. Scope\n\n    (a) first\n    (b) second\n        1.i. deep\n\n# 2. Terms\n\n"
        "    (a) third"
    )


def test_a_table_of_contents_is_left_out_and_reported() -> None:
    contents = (
        '<w:sdt><w:sdtPr><w:docPartObj><w:docPartGallery w:val="Table of Contents"/>'
        f"</w:docPartObj></w:sdtPr><w:sdtContent>{p('Scope 1')}</w:sdtContent></w:sdt>"
    )
    found = read_one(docx(contents + p("Body words.")), "docx")

    assert found.text == "Body words."
    assert [(o.reason, o.text) for o in found.omissions] == [("table of contents", "Scope 1")]


def test_merged_cells_keep_their_column_and_a_frame_is_no_table() -> None:
    def cell(text: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr>{p(text)}</w:tc>"

    wide = '<w:gridSpan w:val="2"/>'
    table = (
        f"<w:tbl><w:tr>{cell('all', wide)}</w:tr><w:tr>{cell('left')}{cell('a|b')}</w:tr></w:tbl>"
    )
    frame = f"<w:tbl><w:tr><w:tc>{p('one')}{p('two')}</w:tc></w:tr></w:tbl>"

    assert read_one(docx(table + frame), "docx").text == (
        "| all |  |\n| --- | --- |\n| left | a\\|b |\n\none\n\ntwo"
    )


def test_a_paragraph_that_looks_like_a_heading_stays_a_paragraph() -> None:
    assert read_one(docx(p("# of parts")), "docx").text == "\\# of parts"


@pytest.mark.parametrize("sign", ["", ' w:val="1"', ' w:val="true"'])
def test_hidden_text_is_left_out(sign: str) -> None:
    hidden = f"<w:r><w:rPr><w:vanish{sign}/></w:rPr><w:t>hid</w:t></w:r>"
    body = f"<w:p><w:r><w:t>seen</w:t></w:r>{hidden}</w:p>"
    found = read_one(docx(body), "docx")

    assert (found.text, [o.reason for o in found.omissions]) == ("seen", ["hidden text"])


def test_formulas_are_one_line() -> None:
    m = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'

    def r(text: str) -> str:
        return f"<m:r><m:t>{text}</m:t></m:r>"

    formula = (
        f"<w:p><m:oMath {m}><m:f><m:num>{r('a+b')}</m:num><m:den>{r('c')}</m:den></m:f>"
        f"<m:sSup><m:e>{r('x')}</m:e><m:sup>{r('2')}</m:sup></m:sSup></m:oMath></w:p>"
    )

    assert read_one(docx(formula), "docx").text == "(a+b)/cx^2"


@pytest.mark.parametrize("depth", [150, 400, 50_000])
def test_deep_nesting_is_a_reject(depth: int) -> None:
    body = "<w:tbl><w:tr><w:tc>" * depth + p("deep") + "</w:tc></w:tr></w:tbl>" * depth

    assert reason_of(docx(body), "docx").startswith("damaged docx: ")


def package(body: str, **parts: tuple[str, str, str]) -> bytes:
    """`parts`: by the id of their relation, their kind, name and content."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr(
            "word/document.xml", f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>'
        )
        relations = "".join(
            f'<Relationship Id="{id}" Type="http://x/{kind}" Target="{name}"/>'
            for id, (kind, name, _) in parts.items()
        )
        archive.writestr(
            "word/_rels/document.xml.rels", f"<Relationships>{relations}</Relationships>"
        )
        for _, name, content in parts.values():
            archive.writestr(f"word/{name}", content)
    return raw.getvalue()


def test_a_page_inside_a_document_is_read_in_its_place() -> None:
    body = p("before") + f'<w:altChunk xmlns:r="{W}/r" r:id="a"/>' + p("after")
    raw = package(body, a=("aFChunk", "part.html", "<h2>Inner</h2><p>caf&eacute;</p>"))

    assert read_one(raw, "docx").text == "before\n\n## Inner\n\ncafé\n\nafter"


def test_charts_and_diagrams_follow_their_paragraph() -> None:
    drawing = (
        '<w:p><w:r><w:t>see</w:t><w:drawing><chart id="c"/><relIds dm="d"/></w:drawing></w:r></w:p>'
    )
    points = "<strCache><pt><v>Mon</v></pt></strCache>"
    chart = (
        f"<c><ser><tx><v>Sales</v></tx><cat>{points}</cat><val><v>7</v></val></ser>"
        "<title><t>Week</t></title></c>"
    )
    diagram = "<m><pt><t><p><r><t>Step one</t></r></p></t></pt></m>"
    raw = package(drawing, c=("chart", "chart.xml", chart), d=("diagramData", "data.xml", diagram))

    assert read_one(raw, "docx").text == (
        "see\n\nWeek\n\n|  | Sales |\n| --- | --- |\n| Mon | 7 |\n\n- Step one"
    )


def test_a_style_that_is_not_described_is_known_by_its_name() -> None:
    assert read_one(docx(p("One", '<w:pStyle w:val="Heading2"/>')), "docx").text == "## One"


def test_values_that_are_no_numbers_do_no_harm() -> None:
    odd = '<w:numPr><w:ilvl w:val="²"/><w:numId w:val="-1"/></w:numPr><w:outlineLvl w:val="x"/>'
    symbol = '<w:p><w:r><w:sym w:char="zz"/><w:sym w:char="2713"/></w:r></w:p>'

    assert read_one(docx(p("text", odd) + symbol), "docx").text == "- text\n\n✓"
