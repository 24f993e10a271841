"""Texts of many megabytes, empty files, other encodings, NUL: each works or is reported."""

import gzip
import json
from pathlib import Path

import pytest

from leafsearch.ingest import Chunker, Corpus, Document, Rejected
from leafsearch.vectors import load_encoder

LARGE = "A sentence of some words. " * 400_000  # 10 MB


def read(*paths: str) -> list[Document | Rejected]:
    return list(Corpus(paths).records())


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv"])
def test_a_text_of_ten_megabytes_is_read(name: str) -> None:
    written = {"a.txt": LARGE, "a.jsonl": json.dumps({"text": LARGE}), "a.csv": f"text\n{LARGE}\n"}
    Path(name).write_text(written[name])

    (found,) = read(name)

    assert isinstance(found, Document)
    assert found.text.strip() == LARGE.strip()


@pytest.mark.long
def test_a_text_of_ten_megabytes_is_cut() -> None:
    encoder = load_encoder("hashing:64")
    cut = Chunker(encoder.tokenizer, max_tokens=512, tokens=256, overlap=0)

    chunks = cut.split(Document("d", LARGE))

    assert " ".join(chunk.text for chunk in chunks) == LARGE.strip()


@pytest.mark.parametrize(
    "name", ["a.txt", "a.md", "a.html", "a.pdf", "a.txt.gz", "a.txt.zst", "a.html.gz"]
)
def test_an_empty_file_that_would_be_a_document_is_a_reject(name: str) -> None:
    Path(name).write_bytes(b"")

    (rejected,) = read(name)

    assert isinstance(rejected, Rejected)
    assert rejected.reason == "empty file"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.jsonl.gz"])
def test_an_empty_file_of_records_has_none(name: str) -> None:
    Path(name).write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")

    assert read(name) == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("name", ["a.txt", "a.md"])
def test_a_byte_order_mark_tells_the_encoding_of_a_text(name: str, encoding: str) -> None:
    mark = "" if encoding in ("utf-16", "utf-32", "utf-8-sig") else "\ufeff"
    Path(name).write_bytes(f"{mark}# Grüße 😀\r\nzwei".encode(encoding))

    (found,) = read(name)

    assert isinstance(found, Document)
    assert found.text == "# Grüße 😀\nzwei"


def test_half_of_a_utf_16_text_is_rejected_with_its_place() -> None:
    Path("a.txt").write_bytes("abc".encode("utf-16")[:-1])

    (rejected,) = read("a.txt")

    assert isinstance(rejected, Rejected)
    assert rejected.reason.startswith("not UTF-16")


def test_nul_is_a_sign_like_others_in_a_text_and_none_in_an_id() -> None:
    Path("a.txt").write_bytes(b"one\0two" + b" and more" * 200)
    Path("b.jsonl").write_text('{"id": "x", "text": "one\\u0000two", "w": "a\\u0000b"}\n')
    Path("c.jsonl").write_text('{"id": "x\\u0000", "text": "T"}\n')
    Path("d.jsonl").write_text('{"text": "T", "a\\u0000b": 1}\n')

    text, record, id, name = read("a.txt", "b.jsonl", "c.jsonl", "d.jsonl")

    assert isinstance(text, Document)
    assert isinstance(record, Document)
    assert text.text[:7] == record.text == "one\0two"
    assert isinstance(id, Rejected)
    assert "without NUL" in id.reason
    assert isinstance(name, Rejected)
    assert "MongoDB cannot store" in name.reason


def test_metadata_of_more_than_a_chunk_may_carry_is_rejected() -> None:
    Path("a.jsonl").write_text('{"text": "T", "w": "%s"}\n' % ("x" * 15 * 2**20))

    (rejected,) = read("a.jsonl")

    assert isinstance(rejected, Rejected)
    assert "bytes; expected at most 15,728,640" in rejected.reason


def test_a_csv_line_without_end_is_reported() -> None:
    Path("f").mkdir()
    with gzip.open("f/a.csv.gz", "wb", compresslevel=1) as packed:
        packed.write(b"id,text\n1,T\n2,")
        for _ in range(70):
            packed.write(b"x" * 2**20)

    good, rejected = read("f")

    assert isinstance(good, Document)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "line 3 has more than 67108864 characters"
