"""`--prune` removes what its source has no longer, and only where that is certain."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.ingest import Fields, SourceError, TargetError
from leafsearch.ingest.errors import TooManyRejects
from leaftests.ingest.types import Ordered


def lines(name: str, ids: Sequence[str], more: str = "") -> str:
    texts = "".join(json.dumps({"id": i, "text": f"The text of {i}."}) + "\n" for i in ids)
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(texts + more)
    return name


def documents(database: Database[Any], **query: Any) -> set[str]:
    return set(database["c"].distinct("document", query))


@pytest.fixture
def two(ordered: Ordered) -> tuple[str, str]:
    """Two files in one collection, of three documents each."""
    files = lines("x/a.jsonl", ["a1", "a2", "a3"]), lines("x/b.jsonl", ["b1", "b2", "b3"])
    for file in files:
        ordered(file)
    return files


ALL = {"a1", "a2", "a3", "b1", "b2", "b3"}


def test_a_line_that_was_taken_out_goes_and_another_source_stays(
    ordered: Ordered, two: tuple[str, str], database: Database[Any]
) -> None:
    lines(two[0], ["a1", "a3"])

    without = ordered(two[0])
    reported = ordered(two[0], prune=True)

    assert (without["pruned"], without["removed"]) == (0, 0)
    assert (reported["pruned"], reported["removed"], reported["unchanged"]) == (1, 1, 2)
    assert documents(database) == ALL - {"a2"}


def test_a_file_that_was_deleted_goes_with_all_its_chunks(
    ordered: Ordered, database: Database[Any]
) -> None:
    for name in ("docs", "docs/deep", "other"):
        Path(name).mkdir()
    Path("docs/deep/long.txt").write_text(" ".join(f"Sentence {n} of it." for n in range(40)))
    Path("docs/short.md").write_text("# Short\n\nA text.")
    Path("other/o.txt").write_text("Another text.")
    chunks = ordered("docs")["chunks"]
    ordered("other")
    Path("docs/deep/long.txt").unlink()

    reported = ordered("docs", prune=True)

    assert (reported["pruned"], reported["removed"]) == (1, chunks - 1)
    assert documents(database) == {"docs/short.md", "other/o.txt"}


def test_documents_of_another_source_or_none_are_never_pruned(
    ordered: Ordered, two: tuple[str, str], database: Database[Any]
) -> None:
    database["c"].update_many({"document": "a1"}, {"$unset": {"source": ""}})
    ordered(lines("x/b.jsonl", ["a3"]))  # it moved there
    lines(two[0], ["a2"])

    reported = ordered(two[0], prune=True)

    assert reported["pruned"] == 0
    assert documents(database) == ALL


def test_pruning_deletes_only_its_own_chunks_of_a_shared_document(
    ordered: Ordered, database: Database[Any]
) -> None:
    """As a run leaves it that was killed while a document moved to another source."""
    text = " ".join(f"Sentence {n} of it." for n in range(40))
    Path("a.jsonl").write_text(json.dumps({"id": "a", "text": text}) + '\n{"text": "Stays."}\n')
    ordered("a.jsonl", source="a")
    database["c"].update_one({"_id": "a#0"}, {"$set": {"source": "b"}})
    Path("a.jsonl").write_text('{"text": "Stays."}\n')

    ordered("a.jsonl", source="a", prune=True)

    assert [c["_id"] for c in database["c"].find({"document": "a"})] == ["a#0"]


@pytest.mark.parametrize("name", ["x/a.jsonl", "docs"])
def test_a_source_that_was_emptied_is_refused_without_yes(
    ordered: Ordered, database: Database[Any], name: str
) -> None:
    if name == "docs":
        Path("docs").mkdir()
        Path("docs/a.txt").write_text("A text.")
    else:
        lines(name, ["a1", "a2"])
    before = ordered(name)["documents"]
    if name == "docs":
        Path("docs/a.txt").unlink()
    else:
        Path(name).write_text("")

    with pytest.raises(
        TargetError, match=f"--prune: no documents were read from {name}, so everything"
    ):
        ordered(name, prune=True)
    kept = len(documents(database))
    reported = ordered(name, prune=True, yes=True)

    assert (kept, reported["pruned"]) == (before, before)
    assert documents(database) == set()


def test_a_source_that_was_emptied_is_refused_beside_one_that_was_not(
    ordered: Ordered, two: tuple[str, str], database: Database[Any]
) -> None:
    Path(two[0]).write_text("")

    with pytest.raises(TargetError, match=r"no documents were read from x/a\.jsonl, so everything"):
        ordered(*two, prune=True)

    assert documents(database) == ALL


def test_with_rejects_nothing_is_removed_without_yes(
    ordered: Ordered, two: tuple[str, str], database: Database[Any]
) -> None:
    lines(two[0], ["a1"], more='{"id": "a2", "text": 7}\n')

    with pytest.raises(TargetError, match=r"--prune: of x/a\.jsonl, 1 record was rejected, so"):
        ordered(two[0], prune=True)
    kept = documents(database)
    reported = ordered(two[0], prune=True, yes=True)

    assert kept == ALL
    assert reported["pruned"] == 2
    assert documents(database) == ALL - {"a2", "a3"}


def test_a_file_in_a_folder_that_cannot_be_read_is_a_reject_and_keeps_what_is_stored(
    ordered: Ordered, database: Database[Any]
) -> None:
    lines("x/a.jsonl", ["a1", "a2"])
    lines("x/b.jsonl", ["b1"])
    ordered("x")
    Path("x/b.jsonl").unlink()
    Path("x/b.jsonl").symlink_to("nowhere")

    with pytest.raises(TargetError, match="of x, 1 record was rejected"):
        ordered("x", prune=True)

    assert documents(database) == {"a1", "a2", "b1"}


def test_a_file_that_is_cut_off_removes_nothing(
    ordered: Ordered, two: tuple[str, str], database: Database[Any]
) -> None:
    packed = gzip.compress(Path(lines(two[0], ["a1", "a2"])).read_bytes())
    Path("x/a.jsonl.gz").write_bytes(packed[:-12])

    with pytest.raises((SourceError, TargetError)):
        ordered("x/a.jsonl.gz", source="x/a.jsonl", prune=True)

    assert documents(database) == ALL


def test_a_failed_run_never_prunes(
    ordered: Ordered, two: tuple[str, str], database: Database[Any]
) -> None:
    lines(two[0], ["a1"], more="no JSON\n")

    with pytest.raises(TooManyRejects, match="1 record was rejected, more than --max-rejects 0"):
        ordered(two[0], prune=True, yes=True, max_rejects=0)

    assert documents(database) == ALL


def test_each_shard_removes_its_own(
    ordered: Ordered, two: tuple[str, str], database: Database[Any]
) -> None:
    many = [f"a{n}" for n in range(30)]
    ordered(lines(two[0], many))
    lines(two[0], many[:2])

    first = ordered(two[0], prune=True, sharded="1/2")
    between = documents(database, source="x/a.jsonl")
    second = ordered(two[0], prune=True, sharded="2/2")

    assert first["pruned"] > 0 < second["pruned"]
    assert first["pruned"] + second["pruned"] == 28
    assert len(between) == 30 - first["pruned"]
    assert documents(database) == {"a0", "a1", "b1", "b2", "b3"}


def test_a_shard_without_documents_is_not_an_empty_source(
    ordered: Ordered, two: tuple[str, str], database: Database[Any]
) -> None:
    lines(two[0], ["a1"])

    pruned = [ordered(two[0], prune=True, sharded=f"{i}/3")["pruned"] for i in (1, 2, 3)]

    assert sum(pruned) == 2
    assert documents(database) == ALL - {"a2", "a3"}


def test_vectors_that_are_kept_for_going_back_keep_what_left_the_source(
    ordered: Ordered, two: tuple[str, str], database: Database[Any]
) -> None:
    ordered(*two, rebuild=True, models="hashing:128", storage=None, choices={"dimensions": 128})
    lines(two[0], ["a1"])

    reported = ordered(two[0], prune=True, models="hashing:128", storage=None)

    assert reported["pruned"] == 2
    assert documents(database, generation=2) == ALL - {"a2", "a3"}
    assert documents(database, generation=None) == ALL


def test_a_document_that_left_a_mongodb_collection_is_pruned(
    ordered: Ordered, two: tuple[str, str], database: Database[Any]
) -> None:
    database["articles"].insert_many([{"_id": i, "body": f"Text {i}."} for i in range(4)])
    path, fields = f"mongodb:{database.name}.articles", Fields("_id", "body", "title")
    ordered(path, fields=fields)
    database["articles"].delete_many({"_id": {"$gte": 2}})

    foreseen = ordered(path, fields=fields, prune=True, dry_run=True)
    reported = ordered(path, fields=fields, prune=True)

    assert foreseen["documents_pruned"] == reported["pruned"] == 2
    assert documents(database) == ALL | {"0", "1"}
    database["articles"].delete_many({})
    with pytest.raises(
        TargetError, match=r"no documents were read from .*\.articles, so everything"
    ):
        ordered(path, fields=fields, prune=True)
    assert ordered(path, fields=fields, prune=True, yes=True)["pruned"] == 2
    assert documents(database) == ALL


def test_parts_of_a_mongodb_collection_can_be_sources_of_their_own(
    ordered: Ordered, database: Database[Any]
) -> None:
    database["articles"].insert_many(
        [{"_id": i, "body": f"Text {i}.", "lang": "en" if i < 3 else "de"} for i in range(5)]
    )
    path, fields = f"mongodb:{database.name}.articles", Fields("_id", "body", "title")
    for lang in ("en", "de"):
        ordered(path, fields=fields, filter=json.dumps({"lang": lang}), source=lang)
    database["articles"].delete_one({"_id": 0})

    reported = ordered(path, fields=fields, filter='{"lang": "en"}', source="en", prune=True)

    assert reported["pruned"] == 1
    assert documents(database, source="en") == {"1", "2"}
    assert documents(database, source="de") == {"3", "4"}


def test_a_dry_run_counts_and_removes_nothing(
    ordered: Ordered, two: tuple[str, str], database: Database[Any]
) -> None:
    lines(two[0], ["a1"])
    before = sorted(database["c"].index_information())

    reported = ordered(two[0], prune=True, dry_run=True)

    assert reported["documents_pruned"] == 2
    assert documents(database) == ALL
    assert sorted(database["c"].index_information()) == before


def test_a_dry_run_says_what_the_run_would_refuse(
    ordered: Ordered, two: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(two[0]).write_text("")

    reported = ordered(two[0], prune=True, dry_run=True)

    assert reported["documents_pruned"] == 3
    assert "leaf-ingest: --prune: no documents were read from" in capsys.readouterr().err


def test_a_dry_run_does_not_refuse_repeated_ids(
    ordered: Ordered, two: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines(two[0], ["a1", "a1"])

    foreseen = ordered(two[0], prune=True, dry_run=True)
    said = capsys.readouterr().err
    reported = ordered(two[0], prune=True)

    assert "--prune" not in said
    assert foreseen["rejected"] == reported["rejected"] == 1
    assert foreseen["documents_pruned"] == reported["pruned"] == 2


def test_an_empty_source_makes_no_collection(ordered: Ordered, database: Database[Any]) -> None:
    Path("a.jsonl").write_text("")

    reported = ordered("a.jsonl", prune=True, yes=True)

    assert (reported["documents"], reported["pruned"]) == (0, 0)
    assert database.list_collection_names() == []
