"""AsciiDoc: both kinds of headings, lists, tables, blocks, attributes, notes."""

import pytest

from leaftests.reading import read_one, reason_of


def text_of(text: str) -> str:
    return read_one(text.encode(), "asciidoc").text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("= Guide\nAnn\n:v: 2\n\nNow {v}, {unknown}.", "# Guide\n\nAnn\n\nNow 2, {unknown}."),
        ("== One\n\n=== Two ===\n\ntext", "## One\n\n### Two\n\ntext"),
        ("Title\n-----\n\nOther\n~~~~~\n\ntext", "## Title\n\n### Other\n\ntext"),
        ("[source,ruby]\n----\n# no heading\n  x\n----\n", "```ruby\n# no heading\n  x\n```"),
        ("....\na | b\n....", "```\na | b\n```"),
        ("|===\n|A |B\n\n|c\n|d | e\n|===", "| A | B |\n| --- | --- |\n| c | d |\n| e |  |"),
        ('[cols="2*"]\n|===\n|a\n|b\n|c\n|d\n|===', "| a | b |\n| --- | --- |\n| c | d |"),
        (",===\na,b\nc,d\n,===", "| a | b |\n| --- | --- |\n| c | d |"),
        ("CPU:: The brain.\nDisk::\n  The store.", "CPU\n\nThe brain.\n\nDisk\n\nThe store."),
        ("*bold* _it_ `code` **un**bound H~2~O x^2^", "bold it code unbound H2O x2"),
        ("snake_case_name and 2*3*4", "snake_case_name and 2*3*4"),
        ("https://x.org[the site] <<a,here>> xref:b.adoc[there]", "the site here there"),
        ("Word.footnote:[The *note*.] Next.", "Word.[^1] Next.\n\n[^1]: The note."),
        ("// gone\ntext\n////\ngone too\n////\nmore", "text\n\nmore"),
        ("NOTE: A.\n\n====\nEx.\n====\n\n____\nQuote.\n____", "NOTE: A.\n\nEx.\n\nQuote."),
        (" literal\n   kept", "```\n literal\n   kept\n```"),
        ("----\nnever closed\nbut kept", "```\nnever closed\nbut kept\n```"),
    ],
)  # fmt: skip
def test_asciidoc_becomes_markdown(text: str, expected: str) -> None:
    assert text_of(text) == expected


def test_included_files_are_named() -> None:
    found = read_one(b"Words.\n\ninclude::other.adoc[]\n", "asciidoc")

    assert found.notes == ["it includes other.adoc, which is not read"]
    assert reason_of(b"", "asciidoc") == "empty file"
    assert reason_of(b"// only this\n", "asciidoc") == "only comments in this file"
