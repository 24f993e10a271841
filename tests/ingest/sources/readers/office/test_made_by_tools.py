"""The text of tests/data/documents as pandoc, LibreOffice and AbiWord write it now, in their
dialects; each is skipped where its program is not installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from leafsearch.ingest.sources.files.formats import format_of
from leaftests.reading import DOCUMENTS, read_one

pytest.importorskip("docutils", reason="needs the extra [formats]")
pytestmark = pytest.mark.long

WORDS = (
    *("alphaheading", "alphaone", "boldword", "linkword", "bulletone", "bullettwo"),
    *("nestedbullet", "bulletthree", "numberone", "numbertwo", "betaheading"),
    *("cellone", "9.80", "celltwo", "12.50", "gammaheading", "codeone(x)", "print(codeone(41))"),
    *("quoteone", "termone", "definitionone", "Ünïcödé", "Ελληνικά", "日本語のテキスト"),
    *("deltaheading", "lastword", "AT&T"),
)
NOTES = ("footnoteone", "footnotetwo")

PANDOC = [
    "docx",
    "docx --toc --number-sections",
    "odt",
    "odt --toc",
    "rtf",
    "rtf --toc",
    "epub2",
    "epub3 --toc",
    "epub3 --epub-chapter-level=2",
    "pptx --slide-level=1",
    "rst",
    "rst --reference-links --toc",
    "rst --columns=40",
    "asciidoc",
    "asciidoc --wrap=none",
    "asciidoctor --columns=40",
    "latex",
    "latex --listings --number-sections",
    "latex --top-level-division=chapter --natbib",
    "beamer",
    "ipynb",
    "ipynb --wrap=none",
]
ENDINGS = {"epub2": "epub", "epub3": "epub", "asciidoctor": "adoc", "asciidoc": "adoc"}
ENDINGS |= {"latex": "tex", "beamer": "tex"}
# What LibreOffice is given, and what it makes of it: an ending, and a filter where there are
# several.
OFFICE = [
    ("docx", "docx:MS Word 2007 XML"),
    ("docx", "docx:Office Open XML Text"),
    ("odt", "docx:MS Word 2007 XML"),
    ("rtf", "docx"),
    ("html", "docx"),
    ("docx", "odt"),
    ("rtf", "odt"),
    ("html", "odt"),
    ("docx", "ott:writer8_template"),
    ("odt", "rtf"),
    ("docx", "rtf"),
    ("html", "rtf"),
    ("docx", "epub"),
    ("pptx", "pptx:Impress MS PowerPoint 2007 XML"),
    ("pptx", "pptx:Impress Office Open XML"),
    ("pptx", "ppsx:Impress MS PowerPoint 2007 XML AutoPlay"),
    ("pptx", "odp"),
    ("pptx", "odp:impress8"),
]
ABIWORD = [("docx", "rtf"), ("docx", "odt"), ("rtf", "rtf"), ("rtf", "odt")]


def run(program: str, *arguments: str, cwd: Path) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    subprocess.run(
        [program, *arguments],
        cwd=cwd,
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=180,
        env={**os.environ, "HOME": str(cwd)},
    )


def pandoc(options: str, folder: Path) -> Path:
    form, *more = options.split()
    made = folder / f"made.{ENDINGS.get(form, form)}"
    run(
        "pandoc", "-s", str(DOCUMENTS / "source.md"), "-t", form, *more, "-o", str(made), cwd=folder
    )
    return made


def require_words(path: Path, *, in_order: bool = True) -> str:
    form = format_of(path)
    text = read_one(path.read_bytes(), form, path.name).text
    missing = [word for word in (*WORDS, *NOTES) if word not in text]
    assert missing == []
    at = [text.find(word) for word in WORDS]
    if in_order:
        assert at == sorted(at)
    return text


@pytest.mark.parametrize("options", PANDOC)
def test_pandoc(options: str, tmp_path: Path) -> None:
    # In RTF, a table of contents is paragraphs like any others.
    text = require_words(pandoc(options, tmp_path), in_order=options != "rtf --toc")

    assert "alphaheading\n" in text.replace("\r", "")


@pytest.mark.parametrize(("given", "wanted"), OFFICE)
def test_libreoffice(given: str, wanted: str, tmp_path: Path) -> None:
    source = pandoc("html" if given == "html" else given, tmp_path)
    out = tmp_path / "out"
    reading = ["--infilter=HTML (StarWriter)"] if given == "html" else []
    writing = ["--convert-to", wanted, "--outdir", str(out), str(source)]
    run("soffice", "--headless", *reading, *writing, cwd=tmp_path)
    (made,) = out.iterdir()

    require_words(made)


@pytest.mark.parametrize(("given", "wanted"), ABIWORD)
def test_abiword(given: str, wanted: str, tmp_path: Path) -> None:
    source = pandoc(given, tmp_path)
    made = tmp_path / f"abi.{wanted}"
    run("abiword", f"--to={wanted}", "-o", str(made), str(source), cwd=tmp_path)

    require_words(made)
