"""A packed file that is cut off or damaged gives every whole row before the break, and says so."""

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import random
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.ingest import Corpus, Document, Rejected, SourceError
from leafsearch.ingest.sources.files.formats import ZSTD
from leaftests.ingest.types import Run

zstd: Any = pytest.importorskip(ZSTD, reason="needs the extra [formats]")

Pack = Callable[[bytes], bytes]


def pack_xz(content: bytes) -> bytes:
    return lzma.compress(content, preset=0)


PACKED = pytest.mark.parametrize(
    ("ending", "pack", "decoder"),
    [
        (".gz", gzip.compress, lambda: zlib.decompressobj(31)),
        (".zst", zstd.compress, zstd.ZstdDecompressor),
        (".bz2", bz2.compress, bz2.BZ2Decompressor),
        (".xz", pack_xz, lzma.LZMADecompressor),
    ],
    ids=["gzip", "zstd", "bzip2", "xz"],
)


@cache
def rows(count: int) -> bytes:
    """Records of random letters, so that the packed file has many blocks."""
    letters = random.Random(count)
    return b"".join(
        json.dumps({"id": f"r{n}", "text": "".join(letters.choices("abcdefgh ", k=900))}).encode()
        + b"\n"
        for n in range(count)
    )


def given_by(decoder: Any, packed: bytes) -> bytes:
    """What the library unpacks before it fails, fed byte by byte."""
    found: list[bytes] = []
    with suppress(Exception):
        for at in range(len(packed)):
            found.append(decoder.decompress(packed[at : at + 1]))
    return b"".join(found)


def read(path: str, **options: Any) -> tuple[list[Document], list[Rejected], str]:
    documents: list[Document] = []
    rejects: list[Rejected] = []
    try:
        for record in Corpus([path], **options).records():
            (documents if isinstance(record, Document) else rejects).append(record)  # type: ignore[arg-type]
    except SourceError as error:
        return documents, rejects, str(error)
    return documents, rejects, ""


@PACKED
@pytest.mark.parametrize("share", [0.001, 0.5, 0.97])
def test_a_stream_that_is_cut_off_gives_every_whole_row(
    ending: str, pack: Pack, decoder: Any, share: float
) -> None:
    packed = pack(rows(1200))
    packed = packed[: round(len(packed) * share)]
    Path(f"a.jsonl{ending}").write_bytes(packed)
    expected = given_by(decoder(), packed)
    whole = expected.count(b"\n")

    documents, rejects, error = read(f"a.jsonl{ending}")

    assert [d.id for d in documents] == [f"r{n}" for n in range(whole)]
    assert "".join(d.text for d in documents) == "".join(
        json.loads(line)["text"] for line in expected.splitlines()[:whole]
    )
    half = expected.rpartition(b"\n")[2]
    assert [r.record for r in rejects] == ([half.decode()] if half else [])
    assert all(r.reason.startswith("half a record: the ") for r in rejects)
    assert re.search(
        rf"a\.jsonl{ending}: the \w+ stream is truncated at packed byte {len(packed):,} "
        rf"\(unpacked byte {len(expected):,}\); {whole:,} whole records? before it",
        error,
    )


@PACKED
def test_a_damaged_stream_gives_every_whole_row(ending: str, pack: Pack, decoder: Any) -> None:
    packed = bytearray(pack(rows(1200)))
    at = len(packed) * 9 // 10
    packed[at : at + 64] = bytes(range(64))
    Path(f"a.jsonl{ending}").write_bytes(packed)
    before = given_by(decoder(), bytes(packed[:at])).count(b"\n")
    expected = given_by(decoder(), bytes(packed))

    documents, rejects, error = read(f"a.jsonl{ending}")

    assert [d.id for d in documents[:before]] == [f"r{n}" for n in range(before)]
    # What lies behind the damage may be unpacked wrongly before the library notices it.
    assert len(documents) + len(rejects) >= expected.count(b"\n") >= before > 0
    assert re.search(rf"is damaged .* \(unpacked byte {len(expected):,}\)", error)


def test_a_hundred_rows_without_the_last_8_bytes_are_a_hundred_rows() -> None:
    lines = "".join(f'{{"id": "r{n}", "text": "row number {n}"}}\n' for n in range(100))
    Path("a.jsonl.gz").write_bytes(gzip.compress(lines.encode())[:-8])

    documents, rejects, error = read("a.jsonl.gz")

    assert len(documents) == 100
    assert not rejects
    assert "100 whole records before it are read" in error


def test_5000_rows_less_2000_bytes_are_4728_or_what_zlib_gives() -> None:
    lines = "".join(f'{{"id": "r{n}", "text": "row number {n}"}}\n' for n in range(5000))
    packed = gzip.compress(lines.encode())[:-2000]
    Path("a.jsonl.gz").write_bytes(packed)

    documents, _, _ = read("a.jsonl.gz")

    assert len(documents) == given_by(zlib.decompressobj(31), packed).count(b"\n") > 4000


def table(count: int) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "text"])
    letters = random.Random(count)
    for n in range(count):
        writer.writerow([f"r{n}", "".join(letters.choices("abcdefgh ", k=90)) + ", end"])
    return text.getvalue().encode()


@PACKED
def test_half_a_row_of_csv_is_no_record(ending: str, pack: Pack, decoder: Any) -> None:
    whole = pack(table(1000))
    for cut in range(10):
        packed = whole[: len(whole) // 2 + cut]
        Path(f"a.csv{ending}").write_bytes(packed)
        expected = given_by(decoder(), packed)

        documents, rejects, error = read(f"a.csv{ending}")

        lines = [line for line in expected.decode().split("\n")[1:] if line]
        if lines and not expected.endswith(b"\n"):
            half = lines.pop()
            assert [r.reason[:13] for r in rejects] == ["half a record"]
            assert rejects[0].record
            assert half.startswith(rejects[0].record[:2])
        assert len(documents) == len(lines)
        assert f"{len(lines):,} whole records before it" in error


@PACKED
def test_an_array_of_json_that_is_cut_gives_its_records(
    ending: str, pack: Pack, decoder: Any
) -> None:
    records = [json.loads(line) for line in rows(500).splitlines()]
    packed = pack(json.dumps(records).encode())
    packed = packed[: len(packed) // 2]
    Path(f"a.json{ending}").write_bytes(packed)
    whole = given_by(decoder(), packed).count(b"}")

    documents, rejects, error = read(f"a.json{ending}")

    assert [d.id for d in documents] == [f"r{n}" for n in range(whole)]
    assert not rejects
    assert f"{whole:,} whole record" in error


def test_a_last_row_that_is_whole_stays_though_only_the_checksum_is_missing() -> None:
    Path("a.csv.gz").write_bytes(gzip.compress(b"id,text\n1,one\n2,two")[:-8])
    Path("b.jsonl.gz").write_bytes(gzip.compress(b'{"text": "one"}\n{"text": "two"}')[:-3])

    for name in ("a.csv.gz", "b.jsonl.gz"):
        documents, rejects, error = read(name)
        assert [d.text for d in documents] == ["one", "two"]
        assert not rejects
        assert "is truncated at packed byte" in error


def test_a_wrong_checksum_is_reported_with_the_records_it_covers() -> None:
    packed = bytearray(gzip.compress(b'{"text": "one"}\n{"text": "two"}'))
    packed[-6] ^= 1
    Path("a.jsonl.gz").write_bytes(packed)

    documents, _, error = read("a.jsonl.gz")

    assert [d.text for d in documents] == ["one", "two"]
    assert "does not match its checksum" in error
    assert "2 whole records before it are read, of which some may be wrong" in error


@PACKED
def test_a_document_that_is_cut_is_not_stored(ending: str, pack: Pack, decoder: Any) -> None:
    Path("f").mkdir()
    for name in ("a.txt", "a.md", "a.html"):
        packed = pack(b"# H\n\n" + b"<p>" + rows(50))
        Path("f", name + ending).write_bytes(packed[: len(packed) // 2])
    Path("f/z.txt").write_text("T")

    documents, rejects, error = read("f")

    assert [d.id for d in documents] == ["f/z.txt"]
    assert len(rejects) == 3
    assert all("a document that is cut off is not stored" in r.reason for r in rejects)
    assert not error


def test_parquet_in_a_pack_that_is_cut_is_a_reject(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    out = io.BytesIO()
    parquet.write_table(pyarrow.table({"text": ["T"] * 100}), out)
    Path("f").mkdir()
    packed = gzip.compress(out.getvalue())
    Path("f/a.parquet.gz").write_bytes(packed[: len(packed) // 2])

    _, rejects, _ = read("f")

    assert "the gzip stream is truncated at packed byte" in rejects[-1].reason


@PACKED
def test_members_padding_and_what_follows_the_end(ending: str, pack: Pack, decoder: Any) -> None:
    name = f"a.jsonl{ending}"
    first, second = b'{"text": "one"}\n', b'{"text": "two"}\n'

    for padding in (b"", bytes(4), bytes(100_000)):
        Path(name).write_bytes(pack(first) + padding + pack(second) + padding)
        documents, rejects, error = read(name)
        assert ([d.text for d in documents], rejects, error) == (["one", "two"], [], "")

    Path(name).write_bytes(pack(first) + pack(second) + b"something else")
    documents, _, error = read(name)
    assert [d.text for d in documents] == ["one", "two"]
    assert "is followed by other bytes at packed byte" in error

    Path(name).write_bytes(pack(first) + pack(rows(1000))[:-500])
    documents, _, error = read(name)
    assert len(documents) > 1
    assert "is truncated" in error


@PACKED
def test_a_pipe_gives_the_same(ending: str, pack: Pack, decoder: Any) -> None:
    os.mkfifo("pipe")
    packed = pack(rows(500))
    packed = packed[: len(packed) // 2]
    writer = Thread(target=lambda: Path("pipe").write_bytes(packed))
    writer.start()

    documents, _, error = read("pipe")
    writer.join()

    assert len(documents) == given_by(decoder(), packed).count(b"\n")
    assert "whole records before it are read" in error


def test_the_rows_are_stored_and_the_command_fails(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    lines = "".join(f'{{"id": "r{n}", "text": "row number {n}"}}\n' for n in range(100))
    Path("a.jsonl.gz").write_bytes(gzip.compress(lines.encode())[:-20])
    expected = given_by(zlib.decompressobj(31), Path("a.jsonl.gz").read_bytes()).count(b"\n")

    ended = leaf_ingest("a.jsonl.gz")

    assert ended.returncode == 1
    assert f"{expected} whole records before it are read" in ended.stderr
    assert len(database["chunks"].distinct("document")) == expected


@pytest.mark.parametrize(
    ("tool", "ending", "pack"),
    [
        ("zcat", ".gz", gzip.compress),
        ("zstdcat", ".zst", zstd.compress),
        ("bzcat", ".bz2", bz2.compress),
        ("xzcat", ".xz", pack_xz),
    ],
)
def test_no_fewer_rows_than_the_tool_of_the_format_gives(
    tool: str, ending: str, pack: Pack
) -> None:
    packed = pack(rows(1200))
    Path(f"a.jsonl{ending}").write_bytes(packed[: len(packed) // 3])
    try:
        given = subprocess.run([tool, f"a.jsonl{ending}"], capture_output=True, check=False).stdout
    except FileNotFoundError:
        pytest.skip(f"needs {tool}")

    documents, _, _ = read(f"a.jsonl{ending}")

    assert len(documents) >= given.count(b"\n")


def test_standard_input_that_is_cut_gives_every_whole_row() -> None:
    packed = gzip.compress(rows(1000))
    packed = packed[: len(packed) // 2]
    program = (
        "from leafsearch.ingest import Corpus, SourceError\n"
        "count = 0\n"
        "try:\n"
        "    for record in Corpus(['-']).records(): count += hasattr(record, 'text')\n"
        "except SourceError as error: print(count, error)\n"
    )

    ended = subprocess.run([sys.executable, "-c", program], input=packed, capture_output=True)

    whole = given_by(zlib.decompressobj(31), packed).count(b"\n")
    assert ended.stdout.startswith(f"{whole} <stdin>: the gzip stream is truncated".encode())
