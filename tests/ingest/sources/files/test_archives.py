"""An archive is read as the folder that it holds, whatever else it holds."""

import bz2
import gzip
import io
import json
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.ingest import Corpus, Document, Rejected, SourceError
from leafsearch.ingest.sources.files.formats import ZSTD
from leafsearch.ingest.sources.files.patterns import FilePatterns
from leafsearch.ingest.sources.readers.packed.archive import Bounds
from leaftests.ingest.types import Run

zstd: Any = pytest.importorskip(ZSTD, reason="needs the extra [formats]")

MEMBERS = {
    "guide/setup.md": b"# Setup\n\nTurn it on.\n",
    "guide/part.jsonl.gz": gzip.compress(b'{"id": "j1", "text": "One."}\n'),
    "notes.txt": b"Notes.\n",
    "README": b"Read me first.\n",
    "drafts/old.md": b"Old.\n",
    ".hidden/secret.md": b"Hidden.\n",
    "__MACOSX/guide/._setup.md": b"\0\5\x16\7" + bytes(50),
    "guide/~$report.docx": b"\6Someone" + bytes(100),  # beside a document that is open in Word
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(50),
}
FOUND = {
    "guide/setup.md": "# Setup\n\nTurn it on.\n",
    "notes.txt": "Notes.\n",
    "README": "Read me first.\n",
    "drafts/old.md": "Old.\n",
}


def make_zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return out.getvalue()


def make_tar(members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as packed:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return out.getvalue()


def read(*paths: str, **options: Any) -> tuple[list[Document], list[Rejected]]:
    records = list(Corpus(paths, **options).records())
    documents = [r for r in records if isinstance(r, Document)]
    return documents, [r for r in records if isinstance(r, Rejected)]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.zip", make_zip),
        ("stored.zip", lambda m: make_zip(m, zipfile.ZIP_STORED)),
        ("b.zip", lambda m: make_zip(m, zipfile.ZIP_BZIP2)),
        ("a.tar", make_tar),
        ("gnu.tar", lambda m: make_tar(m, tarfile.GNU_FORMAT)),
        ("old.tar", lambda m: make_tar(m, tarfile.USTAR_FORMAT)),
        ("a.tar.gz", lambda m: gzip.compress(make_tar(m))),
        ("a.tgz", lambda m: gzip.compress(make_tar(m))),
        ("a.tar.zst", lambda m: zstd.compress(make_tar(m))),
        ("a.tar.bz2", lambda m: bz2.compress(make_tar(m))),
        ("a.TAR.XZ", lambda m: lzma.compress(make_tar(m))),
        ("no-ending", make_zip),
        ("nor-this", lambda m: gzip.compress(make_tar(m))),
        ("a.zip.gz", lambda m: gzip.compress(make_zip(m))),
    ],
)
def test_an_archive_is_read_like_a_folder(
    name: str, make: Callable[[dict[str, bytes]], bytes]
) -> None:
    Path("f").mkdir()
    Path("f", name).write_bytes(make(MEMBERS))
    corpus = Corpus([f"f/{name}"])

    assert list(corpus.problems()) == []
    found = [r for r in corpus.records() if isinstance(r, Document)]

    assert {d.id: d.text for d in found} == {
        **{f"{name}/{inner}": text for inner, text in FOUND.items()},
        "j1": "One.",
    }
    assert {d.source for d in found} == {f"f/{name}"}
    assert next(d for d in found if d.id.endswith("setup.md")).title == "Setup"
    assert next(str(d.place) for d in found if d.id == "j1") == f"f/{name}/guide/part.jsonl.gz:1"
    assert corpus.ignored == {".png": 1}
    assert corpus.bytes_read == corpus.size() == Path("f", name).stat().st_size


def test_every_format_is_read_alike_in_a_folder_and_in_archives_of_it() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = io.BytesIO()
    parquet.write_table(pyarrow.table({"id": ["p1"], "text": ["Parquet."]}), table)
    members = {
        "a.parquet": table.getvalue(),
        "b.csv": b"id,text,n\nc1,One.,1\nc2,Two.,2\n",
        "c.tsv": b"id\ttext\nt1\tThree.\n",
        "d.json": b'[{"id": "j1", "text": "Four."}]',
        "e.html": b"<!doctype html><title>H</title><body><h1>H</h1><p>Five words of it.</p></body>",
        "f.ipynb": b'{"nbformat": 4, "cells": [{"cell_type": "markdown", "source": ["# N"]}]}',
        "g.eml": b"From: a@b.c\nSubject: S\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n\nSix.\n",
        "h.srt": b"1\n00:00:01,000 --> 00:00:02,000\nSeven.\n",
        "i.rst": b"Title\n=====\n\nEight.\n",
        "j.py": b"def nine():\n    return 9\n",
        "k.txt": b"Ten.\n",
    }
    Path("docs").mkdir()
    for name, content in members.items():
        Path("docs", name).write_bytes(content)
    Path("a.zip").write_bytes(make_zip(members))
    Path("b.tgz").write_bytes(gzip.compress(make_tar(members)))
    packed = {f"{name}.gz": gzip.compress(content) for name, content in members.items()}
    Path("c.tar").write_bytes(make_tar(packed))

    expected, rejects = read("docs")

    assert not rejects
    assert len(expected) == len(members) + 1
    for archive in ("a.zip", "b.tgz", "c.tar"):
        found, rejects = read(archive)
        assert not rejects
        assert [(d.text, d.marks) for d in found] == [(d.text, d.marks) for d in expected]


@pytest.mark.parametrize(("name", "make"), [("a.zip", make_zip), ("a.tar", make_tar)])
def test_archives_in_a_folder_are_folders_of_it(name: str, make: Any) -> None:
    Path("docs/deep").mkdir(parents=True)
    Path("docs/deep", name).write_bytes(make(MEMBERS))
    Path("docs/z.txt").write_text("Z")

    documents, rejects = read("docs")

    assert not rejects
    assert {d.id for d in documents} == {
        *(f"docs/deep/{name}/{inner}" for inner in FOUND),
        "j1",
        "docs/z.txt",
    }
    assert {d.source for d in documents} == {"docs"}


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["*.md"], [], ["guide/setup.md", "drafts/old.md"]),
        (["guide/"], [], ["guide/setup.md", "j1"]),
        ([], ["drafts/", "README", "*.gz"], ["guide/setup.md", "notes.txt"]),
        (["*.txt"], [], ["notes.txt"]),
        ([], ["*"], []),
    ],
)
def test_patterns_choose_among_the_files_of_an_archive(
    include: list[str], exclude: list[str], expected: list[str]
) -> None:
    Path("a.zip").write_bytes(make_zip(MEMBERS))

    documents, _ = read("a.zip", choice=FilePatterns(include, exclude))

    assert [d.id.removeprefix("a.zip/") for d in documents] == expected


def test_patterns_are_relative_to_the_folder_around_an_archive() -> None:
    Path("docs/x").mkdir(parents=True)
    Path("docs/x/a.zip").write_bytes(make_zip(MEMBERS))

    def found(*include: str, exclude: tuple[str, ...] = ()) -> list[str]:
        documents, _ = read("docs", choice=FilePatterns(include, exclude))
        return [d.id.rpartition("/")[2] for d in documents]

    assert found("/x/a.zip/*.txt") == ["notes.txt"]
    assert found("/*.txt") == []
    assert found(exclude=("*.zip",)) == []
    assert found("*.md", exclude=("x/a.zip/drafts",)) == ["setup.md"]


def test_names_that_lead_out_of_an_archive_stay_in_it() -> None:
    names = {"../../up.txt": b"A", "/etc/abs.txt": b"B", "..\\win\\c.txt": b"C", "./d.txt": b"D"}
    Path("f").mkdir()
    Path("f/a.zip").write_bytes(make_zip(names))
    Path("f/b.tar").write_bytes(make_tar(names))

    documents, rejects = read("f")

    assert not rejects
    for archive in ("a.zip", "b.tar"):
        assert {d.id for d in documents if archive in d.id} == {
            f"f/{archive}/{name}" for name in ("up.txt", "etc/abs.txt", "win/c.txt", "d.txt")
        }
    assert os.listdir() == ["f"]


def test_bytes_of_a_name_that_are_not_utf8_stay_escapes_and_make_no_folders() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, encoding="cp1252") as tar:
        info = tarfile.TarInfo("menus\\caf\xe9.txt")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"Tea."))
    Path("a.tar").write_bytes(out.getvalue())

    found, rejected = read("a.tar")

    assert ([d.id for d in found], rejected) == (["a.tar/menus/caf\\xe9.txt"], [])


def test_links_and_devices_are_counted_and_not_followed() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        for kind, target in ((tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "b.txt")):
            info = tarfile.TarInfo(f"{kind.decode()}.txt")
            info.type, info.linkname = kind, target
            packed.addfile(info)
        info = tarfile.TarInfo("zero.txt")
        info.type = tarfile.CHRTYPE
        packed.addfile(info)
        packed.addfile(tarfile.TarInfo("folder/"), None)
    Path("a.tar").write_bytes(out.getvalue())
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile("b.zip", "w") as packed_zip:
        packed_zip.writestr(link, "/etc/passwd")
        packed_zip.writestr("real.txt", "T")
    corpus = Corpus(["a.tar", "b.zip"])

    found = list(corpus.records())

    assert [r.id for r in found if isinstance(r, Document)] == ["b.zip/real.txt"]
    assert corpus.ignored["neither files nor folders"] == 4


def test_what_cannot_be_read_of_a_zip_is_a_reject_by_name_and_the_rest_is_read() -> None:
    raw = make_zip({"a.md": b"A", "b.md": b"B", "c.md": b"C", "d.png": b"D"}, zipfile.ZIP_STORED)
    # Flags and methods stand in the list of members, 8 and 10 bytes into an entry.
    at = [n for n in range(len(raw)) if raw.startswith(b"PK\1\2", n)]
    edited = bytearray(raw)
    edited[at[0] + 8] |= 1
    edited[at[1] + 10] = 9
    edited[at[3] + 8] |= 1
    Path("a.zip").write_bytes(edited)
    corpus = Corpus(["a.zip"])

    *refused, last = corpus.records()

    assert {str(r.place): r.reason for r in refused if isinstance(r, Rejected)} == {
        "a.zip/a.md": "is encrypted; unpack the archive first",
        "a.zip/b.md": (
            "is packed by method 9 (deflate64), which is not read; unpack the archive first"
        ),
    }
    assert isinstance(last, Document)
    assert corpus.ignored == {".png": 1}


def test_an_archive_in_an_archive_is_a_reject() -> None:
    inner = make_zip({"a.md": b"A"})
    Path("a.tar").write_bytes(make_tar({"in.zip": inner, "x.tgz": b"", "b.md": b"B", "odd": inner}))
    corpus = Corpus(["a.tar"])

    first, second, last = corpus.records()

    assert isinstance(first, Rejected)
    assert isinstance(second, Rejected)
    assert first.reason.startswith("an archive inside an archive")
    assert str(second.place) == "a.tar/x.tgz"
    assert isinstance(last, Document)
    assert corpus.ignored == {"no ending": 1}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_the_second_file_of_a_name_is_a_reject(name: str) -> None:
    out = io.BytesIO()
    if name == "a.zip":
        with zipfile.ZipFile(out, "w") as packed:
            packed.writestr("a.md", "One")
            packed.writestr("a.md", "Two")
    else:
        out.write(make_tar({"a.md": b"One", "./a.md": b"Two"}))
    Path(name).write_bytes(out.getvalue())

    (kept,), (refused,) = read(name)

    assert kept.text == "One"
    assert "two files of this name" in refused.reason


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_beir_in_an_archive_yields_its_documents(make: Any) -> None:
    row = b'{"_id": "d1", "text": "T"}\n'
    members = {
        "nf/corpus.jsonl": row,
        "nf/qrels/test.tsv": b"query-id\tcorpus-id\tscore\nq1\td1\t1\n",
        "nf/qrels/dev.tsv": b"query-id\tcorpus-id\tscore\nq1\td1\t1\n",
        "nf/queries.jsonl": b'{"_id": "q1", "text": "Q?"}\n',
    }
    Path("nf.archive").write_bytes(make(members))
    corpus = Corpus(["nf.archive"])

    (found,) = corpus.records()

    assert isinstance(found, Document)
    assert found.id == "d1"
    assert corpus.ignored == {"questions and judgements of a BEIR collection": 2}


def test_a_damaged_member_of_a_zip_gives_what_came_before_and_the_rest_is_read() -> None:
    lines = "".join(f'{{"_id": "{n}", "text": "{os.urandom(200).hex()}"}}\n' for n in range(5000))
    raw = bytearray(make_zip({"corpus.jsonl": lines.encode(), "z.md": b"Z"}))
    raw[len(raw) // 2 : len(raw) // 2 + 64] = bytes(64)
    Path("a.zip").write_bytes(raw)

    documents, rejects = read("a.zip")

    assert len(documents) > 1000
    assert documents[-1].id == "a.zip/z.md"
    assert "stream is damaged" in rejects[-1].reason


def test_a_member_that_does_not_match_its_checksum_is_reported() -> None:
    raw = bytearray(make_zip({"a.jsonl": b'{"text": "T"}\n', "b.md": b"B"}, zipfile.ZIP_STORED))
    raw[raw.index(b"T")] = ord("U")
    raw[raw.index(b"mdB") + 2] = ord("C")
    Path("a.zip").write_bytes(raw)

    (read_one,), (first, second) = read("a.zip")

    assert read_one.text == "U"
    assert "does not match its checksum" in first.reason
    assert "some may be wrong" in first.reason
    assert str(second.place) == "a.zip/b.md"


def jsonl(count: int) -> bytes:
    return b"".join(
        json.dumps({"id": f"r{n}", "text": os.urandom(200).hex()}).encode() + b"\n"
        for n in range(count)
    )


def test_a_packed_tar_that_is_cut_gives_every_whole_row_and_member() -> None:
    packed = gzip.compress(make_tar({"a.md": b"A", "b.jsonl": jsonl(3000), "c.md": b"C"}))
    Path("a.tgz").write_bytes(packed[: len(packed) // 2])
    found: list[Document | Rejected] = []

    with pytest.raises(SourceError, match=r"a\.tgz: the gzip stream is truncated at packed byte"):
        found.extend(Corpus(["a.tgz"]).records())

    ids = [r.id for r in found if isinstance(r, Document)]
    assert ids == ["a.tgz/a.md", *(f"r{n}" for n in range(len(ids) - 1))]
    assert len(ids) > 1000
    half, member = (r for r in found if isinstance(r, Rejected))
    assert half.reason.startswith("half a record")
    assert f"{len(ids) - 1:,} whole records before it are read" in member.reason


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda raw: raw[:600], "tar stream is truncated"),
        (lambda raw: raw[:1300], "no header at byte"),
        (lambda raw: raw[:1024] + b"x" * 512 + raw[1536:], "no header at byte"),
        (lambda raw: raw + raw, "other bytes follow the end"),
        (lambda raw: b"x" * 512 + raw, "not a tar"),
        (lambda raw: b"", "not a tar"),
    ],
)
def test_a_tar_that_ends_early_is_never_taken_for_a_whole_one(damage: Any, expected: str) -> None:
    Path("f").mkdir()
    Path("f/a.tar").write_bytes(damage(make_tar({"a.md": b"A" * 200, "b.md": b"B"})))

    _, rejects = read("f")

    assert any(expected in r.reason for r in rejects), rejects


def test_a_tar_without_blocks_at_its_end_is_whole() -> None:
    Path("a.tar").write_bytes(make_tar({"a.md": b"A"})[:1024])

    (document,), rejects = read("a.tar")

    assert document.text == "A"
    assert not rejects


def test_no_archive_is_said_before_any_work() -> None:
    Path("a.zip").write_bytes(b"PK no")
    Path("b.zip").write_bytes(make_zip({"a.md": b"A" * 200})[:-30])
    Path("c.tar.gz").write_bytes(b"no")
    Path("d.tar").write_bytes(b"no" * 600)

    a, b, c, d = Corpus(["a.zip", "b.zip", "c.tar.gz", "d.tar"]).problems()

    assert a.startswith("a.zip: not a zip, or one that is cut off or damaged")
    assert b.startswith("b.zip: not a zip, or one that is cut off or damaged")
    assert c == "c.tar.gz: is not gzip, which its ending promises"
    assert d.startswith("d.tar: not a tar, or a damaged one")


ZEROS = {f"{n}.jsonl": bytes(2**20) for n in range(20)}


@pytest.mark.parametrize("make", [make_zip, lambda m: gzip.compress(make_tar(m))])
def test_bounds_stop_an_archive_that_is_a_bomb(make: Any) -> None:
    Path("a.archive").write_bytes(make(ZEROS))

    for bounds, expected in [
        (Bounds(unpacked=2**20), r"unpacks to more than 1,048,576 bytes, the most"),
        (Bounds(free=2**20), r"unpacks to more than 1,048,576 bytes and 100 times its packed size"),
        (Bounds(members=10), r"has more than 10 members"),
    ]:
        with pytest.raises(SourceError, match=rf"^a\.archive: {expected}"):
            list(Corpus(["a.archive"], bounds=bounds).records())

    assert len(list(Corpus(["a.archive"]).records())) == 20


def test_a_long_list_of_members_is_not_loaded() -> None:
    Path("a.zip").write_bytes(make_zip({f"{n}.md": b"T" for n in range(100)}))

    with pytest.raises(SourceError, match=r"lists its members in .* bytes; expected at most 1,000"):
        list(Corpus(["a.zip"], bounds=Bounds(directory=1000)).records())


def test_a_header_of_a_tar_cannot_claim_all_memory() -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**33
    Path("f").mkdir()
    Path("f/a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(2**21))

    _, (refused,) = read("f")

    assert "damaged tar" in refused.reason


def test_an_archive_with_nothing_to_read_says_what_it_holds(leaf_ingest: Run) -> None:
    Path("a.zip").write_bytes(make_zip({"a.png": MEMBERS["picture.png"]}))

    ended = leaf_ingest("a.zip")

    assert ended.returncode == 1
    assert "no documents in a.zip (only other kinds: .png); nothing was written" in ended.stderr


def test_archives_are_pruned_rebuilt_and_run_dry(leaf_ingest: Run, database: Database[Any]) -> None:
    def stored() -> list[str]:
        return sorted(database["chunks"].distinct("document"))

    Path("a.zip").write_bytes(make_zip({"a.md": b"Apples.", "b.md": b"Pears.", "c.txt": b"Plums."}))
    dry = leaf_ingest("a.zip", "--dry-run", "--json")
    assert json.loads(dry.stdout)["documents"] == 3
    assert stored() == []
    assert leaf_ingest("a.zip", "--shard", "1/2").returncode == 0
    assert leaf_ingest("a.zip", "--shard", "2/2").returncode == 0
    assert stored() == ["a.zip/a.md", "a.zip/b.md", "a.zip/c.txt"]

    Path("a.zip").write_bytes(make_zip({"a.md": b"Apples.", "c.txt": b"Cherries."}))
    pruned = leaf_ingest("a.zip", "--prune", "--json")

    assert pruned.returncode == 0, pruned.stderr
    assert json.loads(pruned.stdout)["pruned"] == 1
    assert stored() == ["a.zip/a.md", "a.zip/c.txt"]
    assert leaf_ingest("a.zip", "--rebuild", "--storage", "binary").returncode == 0
