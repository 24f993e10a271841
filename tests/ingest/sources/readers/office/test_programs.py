"""One text as several programs write it: whatever the format, the same words in the same order."""

import re

import pytest

from leafsearch.ingest.sources.files.formats import format_of
from leaftests.reading import DOCUMENTS, read_one

pytest.importorskip("docutils", reason="needs the extra [formats]")

WORDS = (
    *("alphaheading", "alphaone", "boldword", "italicword", "linkword", "bulletone", "bullettwo"),
    *("nestedbullet", "bulletthree", "numberone", "numbertwo", "betaheading"),
    *("cellone", "9.80", "celltwo", "12.50", "gammaheading", "codeone(x):", "print(codeone(41))"),
    *("quoteone", "termone", "definitionone", "Ünïcödé", "Ελληνικά", "日本語のテキスト", "עברית"),
    *("deltaheading", "lastword", "AT&T"),
)
NOTES = ("footnoteone", "footnotetwo")
FORMULAS = ("mathone", "displayone")
ALL = sorted(p.name for p in DOCUMENTS.iterdir() if p.suffix not in (".md", ".doc"))
TEXTS = [name for name in ALL if not name.startswith("python-")]
# Programs that draw formulas, or drop them, when they read another's document.
WITHOUT_FORMULAS = ("libreoffice", "abiword")
# Programs that write headings as paragraphs that only look like one.
WITHOUT_HEADINGS = ("libreoffice.epub",)
SLIDES = (".pptx", ".odp")


def text_of(name: str) -> str:
    path = DOCUMENTS / name
    return read_one(path.read_bytes(), format_of(path), name).text


@pytest.mark.parametrize("name", TEXTS)
def test_every_word_is_kept_in_its_order(name: str) -> None:
    text = text_of(name)

    at = [text.find(word) for word in WORDS]
    assert [word for word, found in zip(WORDS, at, strict=True) if found < 0] == []
    assert at == sorted(at)
    assert [note for note in NOTES if note not in text] == []


@pytest.mark.parametrize("name", [n for n in TEXTS if not n.startswith(WITHOUT_FORMULAS)])
def test_formulas_can_be_read(name: str) -> None:
    text = text_of(name)

    assert [formula for formula in FORMULAS if formula not in text] == []


@pytest.mark.parametrize(
    "name", [n for n in TEXTS if n not in WITHOUT_HEADINGS and not n.endswith(SLIDES)]
)
def test_headings_keep_their_level(name: str) -> None:
    found = re.findall(r"^(#+) (?:[\d.]+ )?(\w+) (\w+)heading$", text_of(name), re.MULTILINE)

    levels = [len(signs) for signs, _, _ in found]
    assert [word for _, _, word in found] == ["alpha", "beta", "gamma", "delta"]
    first = levels[0]
    assert levels == [first, first + 1, first + 2, first]


@pytest.mark.parametrize("name", [n for n in TEXTS if n not in WITHOUT_HEADINGS])
def test_tables_are_rows(name: str) -> None:
    text = text_of(name)

    assert re.search(r"^\| Part +\| Price +\|\n\|[-| :]+\|\n\| cellone +\| +9.80 +\|$", text, re.M)


@pytest.mark.parametrize("name", [n for n in TEXTS if n not in ("abiword.odt", "libreoffice.odp")])
def test_code_keeps_its_lines(name: str) -> None:
    if name == "libreoffice.epub":
        pytest.skip("LibreOffice writes code into an EPUB as paragraphs without its blanks")

    assert "def codeone(x):\n    return x + 1\n\nprint(codeone(41))" in text_of(name)


@pytest.mark.parametrize("name", ALL)
def test_the_title_is_the_documents_own(name: str) -> None:
    path = DOCUMENTS / name
    title = read_one(path.read_bytes(), format_of(path), name).title

    # pandoc writes no title into these two.
    without = {"pandoc.ipynb": "Installing alphaheading", "pandoc.rtf": "Installing alphaheading"}
    deck = {"python-pptx.pptx": "Bilge pump deck"}
    assert title == {**without, **deck}.get(name, "Bilge pump handbook")
