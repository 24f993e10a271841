"""What is too large, refused by the server, or goes away while it is read: told, the rest stays."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from ingest import Corpus, Document, Rejected
from tests.ingest.conftest import Ingest

Run = Callable[..., CompletedProcess[str]]
MEGABYTE = 2**20
REJECTS = Path("leaf-ingest.rejects.jsonl")


def reasons() -> list[str]:
    return [json.loads(line)["reason"] for line in REJECTS.read_text().splitlines()]


def corpus(*records: dict[str, Any]) -> Path:
    path = Path("corpus.jsonl")
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def stored(database: Database[Any]) -> set[str]:
    return {chunk["document"] for chunk in database["chunks"].find({}, {"document": 1})}


def test_a_text_larger_than_a_mongodb_document_is_many_chunks(
    leaf_ingest: Run, database: Database[Any], covers: Callable[[str, list[str]], bool]
) -> None:
    text = "".join(f"{'antidisestablishmentarianism' * 8} {n}. " for n in range(85_000))
    path = corpus({"id": "large", "text": text}, {"id": "small", "text": "T"})

    ended = leaf_ingest(path, "--chunk-tokens", 512, "--chunk-overlap", 0)

    assert len(text) > 16 * MEGABYTE
    assert ended.returncode == 0, ended.stderr
    chunks = database["chunks"].find({"document": "large"}, {"text": 1}).sort("position", 1)
    assert covers(text, [chunk["text"] for chunk in chunks])
    assert stored(database) == {"large", "small"}


def test_documents_that_a_validator_refuses_are_rejects_and_the_others_are_written(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    young = {"metadata.year": {"$lt": 1100}}
    database.create_collection("chunks", validator=young)
    path = corpus(*({"id": n, "text": f"T {n}", "year": n} for n in range(1000, 1300)))

    ended = leaf_ingest(path, "--json")

    assert ended.returncode == 3, ended.stderr
    assert json.loads(ended.stdout)["rejected"] == 200
    assert set(reasons()) == {
        f"MongoDB does not take document '{n}': Document failed validation"
        for n in range(1100, 1300)
    }
    assert stored(database) == {str(n) for n in range(1000, 1100)}


def test_more_rejects_than_allowed_end_it_and_what_was_read_before_is_written(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    good = [{"id": n, "text": f"T {n}"} for n in range(700)]
    path = corpus(*good, {}, {}, {}, {"id": "behind", "text": "T"})

    ended = leaf_ingest(path, "--max-rejects", 2)

    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("leaf-ingest: 3 records were rejected, more than --max-rejects 2 allows")
    assert stored(database) == {str(n) for n in range(700)}


def test_so_it_is_when_the_server_rejects_them(leaf_ingest: Run, database: Database[Any]) -> None:
    database.create_collection("chunks", validator={"metadata.year": {"$lt": 1100}})
    path = corpus(*({"id": n, "text": f"T {n}", "year": n} for n in range(1000, 1300)))

    ended = leaf_ingest(path, "--max-rejects", 5)

    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("leaf-ingest: 6 records were rejected, more than --max-rejects 5 allows")
    assert stored(database) == {str(n) for n in range(1000, 1100)}


def folders(*names: str) -> None:
    for name in names:
        Path("docs", name).mkdir(parents=True)
        for number in range(2):
            Path("docs", name, f"{number}.txt").write_text(f"Text {number} of {name}.")


def test_what_vanishes_while_a_folder_is_read_is_told_and_the_rest_written(
    write: Ingest, database: Database[Any]
) -> None:
    folders("a", "b", "c")
    records = Corpus(["docs"]).records()
    met: list[Document | Rejected] = [next(records)]
    Path("docs/a/1.txt").unlink()
    shutil.rmtree("docs/b")
    met += records

    summary = write(met)

    assert (summary.documents, summary.rejected) == (3, 2)
    told = {r.place.source: r.reason for r in met if isinstance(r, Rejected)}
    gone = "cannot be read: No such file or directory"
    assert told == {"docs/a/1.txt": gone, "docs/b": gone}
    there = {chunk["document"] for chunk in database["c"].find()}
    assert there == {"docs/a/0.txt", "docs/c/0.txt", "docs/c/1.txt"}


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that fails")
def test_a_disk_that_fails_under_a_file_is_a_reject(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    folders("a")
    Path("docs/bad.jsonl").symlink_to("/proc/self/mem")

    ended = leaf_ingest("docs")

    assert ended.returncode == 3, ended.stderr
    assert reasons() == ["cannot be read: Input/output error"]
    assert stored(database) == {"docs/a/0.txt", "docs/a/1.txt"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everywhere")
def test_a_folder_that_may_not_be_entered_is_a_reject(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    folders("a", "b")
    Path("docs/b").chmod(0o000)

    ended = leaf_ingest("docs")
    Path("docs/b").chmod(0o700)

    assert ended.returncode == 3, ended.stderr
    assert reasons() == ["cannot be read: Permission denied"]
    assert stored(database) == {"docs/a/0.txt", "docs/a/1.txt"}
