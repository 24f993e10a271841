"""What is packed is unpacked while it is read, and a stream that breaks off gives what it held."""

import bz2
import gzip
import json
import lzma
import os
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.ingest import Corpus, Document, Rejected
from leafsearch.ingest.sources.files.formats import ZSTD
from leaftests.forked import Command

zstd: Any = pytest.importorskip(ZSTD, reason="needs the extra [formats]")

Pack = Callable[[bytes], bytes]
PACKED = pytest.mark.parametrize(
    ("ending", "pack"),
    [
        (".gz", gzip.compress),
        (".zst", zstd.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
    ],
    ids=["gzip", "zstd", "bzip2", "xz"],
)


def lines(first: int, last: int) -> bytes:
    """Records of random letters, so that the packed file has many blocks."""
    letters = random.Random(first)
    texts = ("".join(letters.choices("abcdefghij ", k=900)) for _ in range(first, last))
    return b"".join(
        json.dumps({"id": str(n), "text": f"{text}."}).encode() + b"\n"
        for n, text in enumerate(texts, first)
    )


def ids(corpus: Corpus) -> list[str]:
    return [r.id for r in corpus.records() if isinstance(r, Document)]


@PACKED
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b'{"text": "T", "n": 1}\n'),
        ("a.json", b'[{"text": "T", "n": 1}]'),
        ("a.csv", b"text,n\nT,1\n"),
        ("a.tsv", b"text\tn\nT\t1\n"),
        ("a.txt", b"T"),
        ("a.md", b"T"),
        ("a.html", b"<p>T</p>"),
    ],
)
def test_any_format_may_be_packed(ending: str, pack: Pack, name: str, content: bytes) -> None:
    Path("f").mkdir()
    path = Path("f", name + ending)
    path.write_bytes(pack(content))

    assert list(Corpus([str(path)]).problems()) == []
    for given in ("f", str(path)):
        (found,) = Corpus([given]).records()
        assert isinstance(found, Document)
        assert found.text == "T"


@PACKED
def test_packed_parts_one_after_another_are_one_stream(ending: str, pack: Pack) -> None:
    """As `cat a.gz b.gz` makes them, and parallel packers."""
    path = Path(f"a.jsonl{ending}")
    path.write_bytes(pack(lines(0, 10)) + pack(b"") + pack(lines(10, 20)))

    assert ids(Corpus([str(path)])) == [str(n) for n in range(20)]


def test_a_zstd_frame_without_content_may_come_first() -> None:
    Path("a.jsonl.zst").write_bytes(
        b"\x50\x2a\x4d\x18\x04\x00\x00\x00note" + zstd.compress(lines(0, 3))
    )

    assert ids(Corpus(["a.jsonl.zst"])) == ["0", "1", "2"]


def test_an_ending_that_promises_too_much_is_reported_before_any_work() -> None:
    Path("a.jsonl.gz").write_bytes(lines(0, 1))
    Path("b.jsonl.gz").write_bytes(zstd.compress(lines(0, 1)))

    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        assert list(Corpus([name]).problems()) == [
            f"{name}: is not gzip, which its ending promises"
        ]


def test_the_first_bytes_tell_what_is_packed_without_an_ending() -> None:
    Path("a.jsonl").write_bytes(gzip.compress(lines(0, 2)))

    assert ids(Corpus(["a.jsonl"])) == ["0", "1"]


@PACKED
def test_a_packed_pipe_is_read_as_it_comes(ending: str, pack: Pack) -> None:
    os.mkfifo("pipe")
    writer = Thread(target=lambda: Path("pipe").write_bytes(pack(lines(0, 500))))
    writer.start()

    read = ids(Corpus(["pipe"]))
    writer.join()

    assert len(read) == 500


@PACKED
def test_compressed_standard_input_is_unpacked(
    mongodb_uri: str, database: Database[Any], ending: str, pack: Pack
) -> None:
    environ = {"LEAF_TEACHER": "hashing:64", "LEAF_STUDENT": "hashing:64", "LEAF_STORAGE": "full"}
    named = {"MONGODB_URI": mongodb_uri, "LEAF_DATABASE": database.name}
    ended = Command(
        *("leaf-ingest", "-", "--format", "csv", "--source", "piped"),
        input=pack(b"id,text\n7,T\n"),
        environ={**os.environ, **environ, **named},
    ).ended()

    assert ended.returncode == 0, ended.stderr
    assert [chunk["_id"] for chunk in database["chunks"].find()] == ["7#0"]


@pytest.mark.long
@PACKED
def test_a_file_that_unpacks_to_much_more_costs_no_more_memory(ending: str, pack: Pack) -> None:
    Path(f"a.jsonl{ending}").write_bytes(pack(b"a" * (200 * 2**20)))
    Path(f"a.txt{ending}").write_bytes(pack(b"a" * (200 * 2**20)))
    tracemalloc.start()

    (line,) = Corpus([f"a.jsonl{ending}"]).records()
    (whole,) = Corpus([f"a.txt{ending}"]).records()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert isinstance(line, Rejected)
    assert "line of more than" in line.reason
    assert isinstance(whole, Rejected)
    assert "file of more than 67,108,864 bytes; split it" in whole.reason
    assert peak < 290 * 2**20


def test_the_bytes_that_are_counted_are_those_of_the_files() -> None:
    Path("a.jsonl.gz").write_bytes(gzip.compress(lines(0, 2000)))
    corpus = Corpus(["a.jsonl.gz"])

    list(corpus.records())

    assert corpus.bytes_read == corpus.size() == Path("a.jsonl.gz").stat().st_size
