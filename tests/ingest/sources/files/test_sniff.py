"""What a file without a known ending is, and what is no text whatever its ending says."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from leafsearch.ingest import Corpus, Document, Fields, Rejected
from leafsearch.ingest.sources.files.sniff import sniff
from leaftests.ingest.types import Run


def read(*paths: str) -> tuple[list[Document], list[Rejected]]:
    records = list(Corpus(paths).records())
    documents = [r for r in records if isinstance(r, Document)]
    return documents, [r for r in records if isinstance(r, Rejected)]


def zip_of(*names: str, mimetype: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        if mimetype:
            packed.writestr("mimetype", mimetype)
        for name in names:
            packed.writestr(name, "x")
    return out.getvalue()


def tar_of(name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        packed.addfile(tarfile.TarInfo(name))
    return out.getvalue()


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", ".pdf"),
        (b"junk before\n%PDF-1.4", ".pdf"),
        (b"PAR1\x15\x04", ".parquet"),
        (b"{\\rtf1\\ansi hello}", ".rtf"),
        (zip_of("[Content_Types].xml", "_rels/.rels", "word/document.xml"), ".docx"),
        (zip_of("[Content_Types].xml", "xl/workbook.xml"), ".xlsx"),
        (zip_of("[Content_Types].xml", "ppt/presentation.xml"), ".pptx"),
        (zip_of("content.xml", mimetype="application/vnd.oasis.opendocument.text"), ".odt"),
        (zip_of("a.xhtml", mimetype="application/epub+zip"), ".epub"),
        (zip_of("a.md"), ".zip"),
        (zip_of("word/document.txt"), ".zip"),
        (zip_of(), ".zip"),
        (tar_of("a.md"), ".tar"),
        (b"<!DOCTYPE html><html>", ".html"),
        (b"\xef\xbb\xbf\n<!-- a --><html lang=de>", ".html"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC>', ".html"),
        (b"<note><to>You</to></note>", ".txt"),
        (b'{"id": 1, "text": "T"}\n{"id": 2, "text": "U"}\n', ".jsonl"),
        (b'[\n {"text": "T"}\n]\n', ".json"),
        (b'{\n "text": "T"\n}\n', ".json"),
        (b'{"level": "info", "msg": "a log"}\n', ".txt"),
        (b'{"cells": [], "nbformat": 4}', ".ipynb"),
        (b"id,text\n1,T\n", ".csv"),
        (b'"id";"text"\r\n1;T\r\n', ".csv"),
        (b"id\ttext\n1\tT\n", ".tsv"),
        (b"body,author\nT,U\n", ".txt"),
        (b"From: a@b\nSubject: S\nDate: D\n\nHello.\n", ".eml"),
        (b"From a@b Mon Jan 1 00:00:00 2024\nFrom: a@b\nSubject: S\n\nHello.\n", ".mbox"),
        (b"Note: this is\na text.\n\nIt goes on.\n", ".txt"),
        (b"#!/bin/sh\necho hello\n", ".txt"),
        ("Größe: 5 €\n".encode(), ".txt"),
        ("UTF-16".encode("utf-16"), ".txt"),
        (b"", ".txt"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n", ""),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), ""),
        (b"\x7fELF" + bytes(50), ""),
        (b"text with \0\0\0 in it", ""),
        ("Grüße".encode("cp1252") * 5, ""),
    ],
)
def test_the_first_bytes_tell_what_a_file_is(head: bytes, expected: str) -> None:
    assert sniff(head, Fields()) == expected


def test_a_character_may_be_cut_where_the_first_bytes_end() -> None:
    assert sniff("ä€".encode()[:-1], Fields()) == ".txt"


def test_the_text_field_decides_what_is_a_record() -> None:
    assert sniff(b'{"body": "T"}\n', Fields(text="body")) == ".jsonl"
    assert sniff(b'{"doc": {"body": "T"}}\n', Fields(text="doc.body")) == ".jsonl"
    assert sniff(b"n,body\n1,T\n", Fields(text="body")) == ".csv"


def test_a_named_file_is_read_as_what_it_is_and_the_command_says_so(leaf_ingest: Run) -> None:
    Path("README").write_text("Read me.")
    Path("dump").write_text('{"id": "r1", "text": "T"}\n')

    ended = leaf_ingest("README", "dump")

    assert ended.returncode == 0
    assert "README: read as text, which its content shows; --format overrules it" in ended.stderr
    assert "dump: read as jsonl" in ended.stderr


def test_a_named_binary_file_is_reported_before_any_work() -> None:
    Path("picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    Path("data.bin").write_bytes(bytes(50))

    picture, data = Corpus(["picture.png", "data.bin"]).problems()

    assert "cannot tell the format" in picture
    assert "(a PNG image)" in picture
    assert "(binary data)" in data


def test_text_of_unknown_endings_in_a_folder_is_read_and_the_rest_is_counted(
    leaf_ingest: Run,
) -> None:
    Path("f").mkdir()
    for name in ("README", "Makefile", "a.conf", "b.log"):
        Path("f", name).write_text("Some text.\n")
    Path("f/key.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    Path("f/id_rsa").write_text("-----BEGIN RSA PRIVATE KEY-----\n")
    Path("f/style.css").write_text("p { color: red }\n")
    Path("f/a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    Path("f/page").write_text("<!doctype html><title>T</title><p>Some page of text.</p>")
    Path("f/latin.ini").write_bytes("Größe=5\n".encode("cp1252"))
    corpus = Corpus(["f"])

    documents = {r.id: r for r in corpus.records() if isinstance(r, Document)}

    assert set(documents) == {"f/README", "f/Makefile", "f/a.conf", "f/b.log", "f/page"}
    assert "<" not in documents["f/page"].text
    assert corpus.ignored == {".pem": 1, "no ending": 1, ".css": 1, ".png": 1, ".ini": 1}
    assert corpus.sniffed == {
        ("no ending", "text"): 2,
        ("no ending", "html"): 1,
        (".conf", "text"): 1,
        (".log", "text"): 1,
    }
    ended = leaf_ingest("f", "--exclude", "page")
    assert (
        "read 4 files as text, which their content shows (.conf, .log, no ending); "
        "--exclude skips them" in ended.stderr
    )


def test_a_text_of_an_unknown_ending_that_is_too_long_is_counted() -> None:
    Path("f").mkdir()
    with open("f/big.log", "w") as file:
        file.write("a line\n" * 10)
        file.truncate(65 * 2**20)
    Path("f/big.log").write_text("a line\n" * (10 * 2**20))
    corpus = Corpus(["f"])

    assert list(corpus.records()) == []
    assert corpus.ignored == {".log": 1}


LINE = "Der Kaffee wächst überall, wo es heiß ist. "
RUSSIAN = "Насос поднимает воду. "


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (LINE.encode("utf-16-le"), "UTF-16 (little endian) without a byte order mark"),
        (LINE.encode("utf-16-be"), "UTF-16 (big endian) without a byte order mark"),
        (LINE.encode("utf-32-le"), "UTF-32 (little endian) without a byte order mark"),
        (RUSSIAN.encode("utf-16-le"), "UTF-16 (little endian) without a byte order mark"),
        ("水泵。阀门。\n".encode("utf-16-be"), "UTF-16 (big endian) without a byte order mark"),
        ("ปั๊มน้ำ ทำงาน\n".encode("utf-16-le"), "UTF-16 (little endian) without"),
        ((LINE * 20).encode("cp1252"), "not UTF-8 at byte 12 (perhaps cp1252: `iconv -f cp1252"),
        ("caf\u00e9 cr\u00e8me".encode("cp1252"), "not UTF-8 at byte 3 (perhaps cp1252"),
        ((RUSSIAN * 20).encode("koi8_r"), "not UTF-8 at byte 0 (perhaps koi8_r"),
        (("水泵维修说明。请先关闭电源。" * 20).encode("gbk"), "(perhaps gb18030"),
        (("ポンプの修理について。" * 20).encode("shift_jis"), "(perhaps cp932"),
        (b"one\0two", "binary, not text: 1 control characters, the first at byte 3"),
        (b"\1\2\3\4 some text", "binary, not text: 4 control characters, the first at byte 0"),
        (bytes(range(256)) * 4, "binary, not text: not UTF-8 at byte 128"),
        (b"%PDF-1.7\nall of it ASCII", "a PDF, not text"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG image, not text"),
        (zip_of("a"), "a zip or an Office file, not text"),
        ("Gr��e ��".encode(), "garbled by an earlier conversion: 4 replacement"),
        (b"\xff\xfea\0b", "not UTF-16-LE at byte 4"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.md"])
def test_what_is_no_text_is_rejected_with_the_reason(name: str, raw: bytes, expected: str) -> None:
    Path(name).write_bytes(raw)

    documents, (rejected,) = read(name)

    assert not documents
    assert expected in rejected.reason


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_with_a_mark_is_read(charset: str) -> None:
    Path("a.txt").write_bytes((LINE + RUSSIAN).encode(charset))

    (found,), _ = read("a.txt")

    assert found.text == LINE + RUSSIAN


@pytest.mark.parametrize(
    "text",
    [
        "A page\f and another\n",
        "\x1b[31mred\x1b[0m in a log\n",
        "N\bNA\bAM\bME\bE\n",
        "DOS ends with this\x1a",
        "One � among many words that are right and good.",
        "GIF89a is a format of pictures.",
    ],
)
def test_signs_that_text_may_hold_are_kept(text: str) -> None:
    Path("a.txt").write_text(text, newline="")

    (found,), _ = read("a.txt")

    assert found.text == text
