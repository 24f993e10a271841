"""Oversized, refused and vanishing documents are reported; the rest is stored."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.ingest import Corpus, Document, Rejected
from leaftests.ingest.types import Ingest

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


@pytest.mark.long
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
        f"MongoDB refuses document '{n}': Document failed validation" for n in range(1100, 1300)
    }
    assert stored(database) == {str(n) for n in range(1000, 1100)}


def test_a_change_that_a_validator_refuses_is_one_reject(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    """It is not taken for one that another run has undone."""
    other = {"id": 2, "text": "T"}
    assert leaf_ingest(corpus({"id": 1, "text": "T", "year": 1000}, other)).returncode == 0
    database.command("collMod", "chunks", validator={"metadata.year": {"$lt": 1100}})

    ended = leaf_ingest(corpus({"id": 1, "text": "T", "year": 2000}, other))

    assert ended.returncode == 3, ended.stderr
    assert reasons() == ["MongoDB refuses document '1': Document failed validation"]


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


def test_documents_that_the_server_rejects_are_reported_too(
    leaf_ingest: Run, database: Database[Any]
) -> None:
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


def test_what_vanishes_while_a_folder_is_read_is_reported_and_the_rest_written(
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
    reported = {r.place.source: r.reason for r in met if isinstance(r, Rejected)}
    gone = "cannot be read: No such file or directory"
    assert reported == {"docs/a/1.txt": gone, "docs/b": gone}
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


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def test_records_nested_too_deeply_are_rejects_and_the_others_are_written(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    deep = {3: 179, 600: 250, 1300: 600}
    records = [
        {"id": n, "text": f"T {n}", "m": nested(deep.get(n, 178 if n % 500 == 0 else 1))}
        for n in range(1500)
    ]
    path = corpus(*records)
    as_array = Path("array.json")
    as_array.write_text(json.dumps([{**record, "id": f"j{record['id']}"} for record in records]))

    ended = leaf_ingest(path, as_array, "--json")

    assert ended.returncode == 3, ended.stderr
    assert reasons() == ["nested more than 179 levels deep, which MongoDB cannot store"] * 6
    good = {str(n) for n in range(1500) if n not in deep}
    assert stored(database) == good | {f"j{n}" for n in good}


def test_json_of_any_depth_is_a_reject_and_numbers_of_any_length_become_text(
    leaf_ingest: Run,
) -> None:
    brackets = "[" * 100_000 + "]" * 100_000
    bad = [
        f'{{"text": "T", "m": {brackets}}}',
        '{"text": "T", "m": ' + "1" * 5000 + "}",
        '{"a":1,}',
    ]
    Path("a.json").write_text(f'[{{"text": "first"}}, {", ".join(bad)}, {{"text": "last"}}]')

    ended = leaf_ingest("a.json", "--json")

    assert ended.returncode == 3, ended.stderr
    assert json.loads(ended.stdout)["documents"] == 3  # a long number becomes text
    assert [reason.split(":")[0].split(" than")[0] for reason in reasons()] == [
        "nested more",
        "not JSON",
    ]


def test_a_document_that_the_server_refuses_is_rejected_with_its_reason(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    """An index of the user's own does not take everything that MongoDB holds."""
    chunks = database["chunks"]
    chunks.create_index([("metadata.where", "2dsphere")])
    chunks.create_index([("metadata.a", 1), ("metadata.b", 1)])
    good = [{"id": n, "text": f"T {n}"} for n in range(1200)]
    good[600]["where"] = "nowhere"
    good[1100] |= {"a": [1], "b": [2]}

    ended = leaf_ingest(corpus(*good))

    assert ended.returncode == 3, ended.stderr
    assert [reason.partition(":")[0] for reason in reasons()] == [
        "MongoDB refuses document '600'",
        "MongoDB refuses document '1100'",
    ]
    assert stored(database) == {str(n) for n in range(1200)} - {"600", "1100"}
    alone = leaf_ingest(corpus({"id": "a", "text": "T", "where": "nowhere"}))
    assert "the only record was rejected" in alone.stderr


def test_metadata_fills_a_document_of_mongodb_and_no_more(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    sizes = {"most": 15 * MEGABYTE - 100, "more": 15 * MEGABYTE, "small": 1}
    path = corpus(*({"id": i, "text": "T", "x": "x" * n} for i, n in sizes.items()))

    ended = leaf_ingest(path)

    assert ended.returncode == 3, ended.stderr
    (reason,) = reasons()
    assert reason.startswith("metadata of 15,728,653 bytes; expected at most 15,728,640")
    assert stored(database) == {"most", "small"}
