"""RTF, piece by piece: charsets, groups that hold no text, tables, lists, notes, damage."""

import pytest

from leaftests.reading import read_one, reason_of


def rtf(body: str, head: str = "") -> bytes:
    return ("{\\rtf1\\ansi\\ansicpg1252" + head + body + "}").encode("latin-1")


def text_of(body: str, head: str = "") -> str:
    return read_one(rtf(body, head), "rtf").text


@pytest.mark.parametrize(
    ("body", "head", "expected"),
    [
        (r"caf\'e9 \'80", "", "café €"),
        (r"\u1055?\u1088\u8364?uro", "", "Пр€uro"),
        (r"{\uc2\u26085\'93\'fa x}", "", "日 x"),
        (r"\u-10179?\u-8704?", "", "😀"),
        (r"\f1\'cf\'f0\f0 \'cf", r"{\fonttbl{\f0 A;}{\f1\fcharset204 B;}}", "ПрÏ"),
        (r"\f1\'93\'fa", r"{\fonttbl{\f1\fcharset128 Gothic;}}", "日"),
        (r"a\{b\}\\c\~d\_e\-f", "", "a{b}\\c d‑ef"),
        (r"one\line two\par three\'\tab", "", "one\ntwo\n\nthree"),
        (r"\ldblquote hi\rdblquote\emdash x", "", "“hi”—x"),
    ],
)
def test_signs_are_read_in_their_charset(body: str, head: str, expected: str) -> None:
    assert text_of(body, head) == expected


def test_groups_without_text_are_skipped() -> None:
    body = (
        r"{\*\unknown hidden}{\pict 0fff}{\field{\*\fldinst HYPERLINK x}{\fldrslt link}} "
        r"{\v gone}{\*\bkmkstart b}seen"
    )
    assert text_of(body) == "link seen"


def test_headings_come_from_the_outline_or_from_styles() -> None:
    styles = r"{\stylesheet{\s1 heading 1;}{\s2\sbasedon1 heading 2;}{\s9 Normal;}}"
    body = r"\pard\s1 One\par\pard\s2 Two\par\pard\outlinelevel2 Three\par\pard\s9 text\par"

    assert text_of(body, styles) == "# One\n\n## Two\n\n### Three\n\ntext"


def test_tables_notes_comments_and_boxes_stand_where_they_belong() -> None:
    body = (
        r"before\par\trowd\intbl a\cell b|c\cell\row\trowd\intbl 1{\footnote note}\cell 2\cell\row"
        r"\pard after{\*\atnauthor Ann}{\*\annotation remark}\par"
        r"{\shp{\*\shpinst{\shptxt boxed\par}}}end\par"
    )
    assert text_of(body) == (
        "before\n\n| a | b\\|c |\n| --- | --- |\n| 1[^1] | 2 |\n\n[^1]: note\n\nafter\n\n"
        "[Comment by Ann: remark]\n\nend\n\nboxed"
    )


def test_running_heads_are_reported() -> None:
    found = read_one(rtf(r"{\header running words\par}text\par"), "rtf")

    assert (found.text, found.omissions[0].text) == ("text", "running words")


def test_what_comes_before_a_break_is_read_and_the_break_is_named() -> None:
    found = read_one(rtf(r"one\par two\par{\b three")[:-1], "rtf")

    assert found.text == "one\n\ntwo\n\nthree"
    assert found.notes == ["the RTF is cut off; what comes before is read"]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty file"),
        (b"not rtf", "not RTF: it does not begin with {\\rtf"),
        (rtf(""), "no text in this RTF"),
        (rtf("{" * 20_000), "damaged RTF: groups are nested more than 10,000 deep"),
    ],
)
def test_what_is_no_rtf_is_rejected(raw: bytes, reason: str) -> None:
    assert reason_of(raw, "rtf") == reason
