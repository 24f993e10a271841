"""PDF files as a library writes them: pages in order, and plain words for those without text."""

import gzip
import io
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from leafsearch.ingest import Corpus, Document, Rejected
from leafsearch.ingest.sources.readers import Whole
from leafsearch.ingest.sources.readers.pdf import read_pdf

pytest.importorskip("pypdfium2", reason="needs the extra [formats]")
fpdf: Any = pytest.importorskip("fpdf")


def pdf(*pages: str, title: str = "", password: str = "") -> bytes:
    written = fpdf.FPDF()
    if password:
        written.set_encryption(owner_password="owner", user_password=password)
    if title:
        written.set_title(title)
    for page in pages:
        written.add_page()
        written.set_font("Helvetica", size=12)
        written.multi_cell(0, text=page)
    return bytes(written.output())


def read(raw: bytes) -> Document | Rejected:
    (found,) = read_pdf(io.BytesIO(raw), Whole("f", "folder/a.pdf", "folder"))
    return found


def reason(raw: bytes) -> str:
    found = read(raw)
    assert isinstance(found, Rejected), found
    return found.reason


def test_pages_are_paragraphs_in_their_order() -> None:
    found = read(pdf("First page.\nIts second line.", "", "Third page: café.", title="The title"))

    assert isinstance(found, Document)
    assert found.text == "First page.\nIts second line.\n\nThird page: café."
    assert (found.id, found.title, found.source) == ("folder/a.pdf", "The title", "folder")
    assert found.metadata == {"title": "The title", "path": "folder/a.pdf"}


def test_one_without_text_is_rejected_with_what_helps() -> None:
    assert reason(pdf("", "")) == "no text in its 2 pages; run OCR on a scan first"


def test_an_encrypted_one_is_rejected() -> None:
    assert reason(pdf("Secret.", password="word")) == (
        "encrypted PDF; expected one that opens without a password"
    )


def test_a_pdf_without_user_password_is_read() -> None:
    """Encryption with an empty password only restricts what viewers offer."""
    written = fpdf.FPDF()
    written.set_encryption(owner_password="owner")
    written.add_page()
    written.set_font("Helvetica", size=12)
    written.multi_cell(0, text="Readable.")

    found = read(bytes(written.output()))

    assert isinstance(found, Document)
    assert found.text == "Readable."


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "empty file"),
        (b"plain text", "not a PDF, or a damaged one"),
        (b"%PDF-1.7\n" + random.Random(1).randbytes(500), "not a PDF, or a damaged one"),
        (pdf("Text.")[:200], "not a PDF, or a damaged one"),
    ],
)
def test_a_file_that_is_not_a_pdf_is_rejected(raw: bytes, expected: str) -> None:
    assert reason(raw) == expected


def test_no_damage_makes_the_reader_fail() -> None:
    whole, chance = pdf("Some text.", "More text."), random.Random(2)
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(20):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)

        assert isinstance(read(bytes(damaged)), Document | Rejected)


def test_a_packed_or_named_one_and_one_in_a_folder_are_read() -> None:
    Path("f").mkdir()
    Path("f/a.pdf").write_bytes(pdf("Text."))
    Path("f/b.pdf.gz").write_bytes(gzip.compress(pdf("Text.")))

    assert list(Corpus(["f/a.pdf", "f/b.pdf.gz"]).problems()) == []
    for given in (["f"], ["f/a.pdf", "f/b.pdf.gz"]):
        found = [r for r in Corpus(given).records() if isinstance(r, Document)]
        assert [d.id for d in found] == ["f/a.pdf", "f/b.pdf.gz"]


def test_pages_are_read_one_after_another() -> None:
    raw = pdf(*["Words on a page. " * 150] * 60)
    tracemalloc.start()

    found = read(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert isinstance(found, Document)
    assert len(found.text) > 60 * 2000
    assert peak < 5 * 2**20
