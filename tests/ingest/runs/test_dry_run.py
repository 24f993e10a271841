"""`--dry-run` writes nothing, and its numbers are those of the run after it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo.database import Database

from leafsearch.ingest import Fields, SourceError
from leafsearch.ingest.errors import TooManyRejects
from leaftests.ingest.types import Ordered, Run

SAME = ("documents", "chunks", "updated", "rejected", "tokens")
LONG = " ".join(f"Sentence number {n} stands here." for n in range(40))


def corpus(records: Mapping[str, str], more: str = "", **fields: Any) -> str:
    lines = (json.dumps({"id": i, "text": t, **fields}) + "\n" for i, t in records.items())
    Path("c.jsonl").write_text("".join(lines) + more)
    return "c.jsonl"


def state(database: Database[Any]) -> dict[str, Any]:
    """All that the server has in this database: documents, indexes, search indexes."""
    return {
        name: (
            list(database[name].find().sort("_id")),
            database[name].index_information(),
            list(database[name].list_search_indexes()) if name == "c" else [],
        )
        for name in database.list_collection_names()
    }


def size(database: Database[Any], **query: Any) -> int:
    """Bytes of BSON, as the server says."""
    grouped = database["c"].aggregate(
        [{"$match": query}, {"$group": {"_id": None, "n": {"$sum": {"$bsonSize": "$$ROOT"}}}}]
    )
    return sum(group["n"] for group in grouped)


@pytest.mark.parametrize("precision", ["float32", "int8", "binary"])
def test_a_dry_run_forecasts_a_new_collection_and_creates_none(
    ordered: Ordered, database: Database[Any], precision: str
) -> None:
    path = corpus({"a": LONG, "b": "A short one."}, more="no JSON\n", title="Title", year=2020)
    choices = {"precision": precision, "filters": ["metadata.year"]}

    reported = ordered(path, dry_run=True, choices=choices)
    there = database.list_collection_names()
    done = ordered(path, choices=choices)

    assert there == []
    assert {name: reported[name] for name in SAME} == {name: done[name] for name in SAME}
    assert reported["new_chunks"] == done["encoded"] == done["chunks"] > 3
    assert reported["bytes_stored"] == size(database)
    assert reported["rejected"] == 1
    assert reported["collection"] == done["collection"]


def test_a_dry_run_forecasts_changes(ordered: Ordered, database: Database[Any]) -> None:
    texts = {f"d{n}": f"{n}. {LONG}" for n in range(5)}
    ordered(corpus(texts, year=1))
    old = {chunk["_id"]: chunk for chunk in database["c"].find()}
    before = state(database)
    texts |= {"d1": "Much shorter.", "d2": f"At last {LONG}", "new": "Not there yet."}
    path = corpus(texts, year=1)
    Path(path).write_text(Path(path).read_text().replace('"year": 1', '"year": 2', 1))

    reported = ordered(path, dry_run=True)
    between = state(database)
    done = ordered(path)

    assert between == before
    assert {name: reported[name] for name in SAME} == {name: done[name] for name in SAME}
    assert (reported["new_chunks"], reported["removed"]) == (done["encoded"], done["removed"])
    assert 0 < reported["new_chunks"] < reported["chunks"]
    assert reported["updated"] > 0 < reported["removed"]
    vectors = {i: c["embedding"] for i, c in old.items()}
    written = [c for c in database["c"].find() if vectors.get(c["_id"]) != c["embedding"]]
    assert reported["bytes_stored"] == sum(len(bson.encode(chunk)) for chunk in written)


def test_where_nothing_is_new_nothing_is_encoded_to_measure_it(ordered: Ordered) -> None:
    path = corpus({"a": LONG})
    ordered(path)

    reported = ordered(path, dry_run=True)

    assert (reported["new_chunks"], reported["tokens"], reported["bytes_stored"]) == (0, 0, 0)
    assert reported["seconds"] is None
    assert reported["tokens_per_second"] is None


def test_a_shard_is_reported_by_itself(ordered: Ordered) -> None:
    path = corpus({f"d{n}": f"Text {n}." for n in range(40)})

    reported = [ordered(path, dry_run=True, sharded=f"{i}/2")["documents"] for i in (1, 2)]

    assert sum(reported) == 40
    assert min(reported) > 0


def test_a_rebuild_is_reported_in_the_bytes_of_its_own_chunks(
    ordered: Ordered, database: Database[Any]
) -> None:
    path = corpus({"a": LONG, "b": "A short one."})
    ordered(path, choices={"hybrid": True})
    before = state(database)
    options: dict[str, Any] = {"rebuild": True, "models": "hashing:128", "storage": None}

    reported = ordered(path, dry_run=True, choices={"dimensions": 128}, **options)
    between = state(database)
    done = ordered(path, choices={"dimensions": 128}, wait=60, **options)

    assert between == before
    assert reported["new_chunks"] == done["encoded"]
    assert reported["bytes_stored"] == size(database, generation=2)


def test_vectors_in_place_are_reported_without_the_texts_that_are_there(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    database["articles"].insert_many(
        [{"_id": 1, "body": "A short one."}, {"_id": 2, "body": LONG * 10}]
    )
    path = f"mongodb:{database.name}.articles"
    args = (path, "--text-field", "body", "--in-place", "--json")

    def bytes_there() -> int:
        return sum(len(bson.encode(found)) for found in database["articles"].find())

    before = bytes_there()
    reported = json.loads(leaf_ingest(*args, "--dry-run").stdout)
    between = (bytes_there(), database.list_collection_names())
    done = json.loads(leaf_ingest(*args).stdout)

    assert between == (before, ["articles"])
    assert reported["tokens"] == done["tokens"] > 100
    assert reported["bytes_stored"] == bytes_there() - before


def test_a_mongodb_source_is_reported_as_any_other(
    ordered: Ordered, database: Database[Any]
) -> None:
    database["articles"].insert_many([{"_id": n, "body": f"Text {n}."} for n in range(9)])
    path, fields = f"mongodb:{database.name}.articles", Fields("_id", "body", "title")

    reported = ordered(path, fields=fields, dry_run=True)

    assert (reported["documents"], reported["new_chunks"]) == (9, 9)
    assert database.list_collection_names() == ["articles"]


def test_a_source_that_is_the_target_is_refused(ordered: Ordered, database: Database[Any]) -> None:
    ordered(corpus({"a": "A text."}))

    with pytest.raises(SourceError, match="is also the target"):
        ordered(f"mongodb:{database.name}.c", dry_run=True)


def test_a_dry_run_refuses_what_the_run_would_refuse(ordered: Ordered) -> None:
    path = corpus({}, more="no JSON\n")

    with pytest.raises(SourceError, match="the only record was rejected, nothing was written"):
        ordered(path, dry_run=True)
    with pytest.raises(TooManyRejects):
        ordered(path, dry_run=True, max_rejects=0)


def test_a_text_without_tokens_takes_no_time(
    ordered: Ordered, published_pair: tuple[str, str]
) -> None:
    """A sign that BERT's normaliser takes out, and that is no blank."""
    path = corpus({"a": "\u200b"})

    reported = ordered(path, dry_run=True, models=published_pair[0])

    assert (reported["new_chunks"], reported["tokens"], reported["seconds"]) == (1, 0, None)


def test_the_printed_forecast_reads_well(leaf_ingest: Run, database: Database[Any]) -> None:
    Path("docs").mkdir()
    Path("docs/a.txt").write_text(f"{LONG} {LONG[:600]}")
    Path("docs/b.txt").write_bytes("Café".encode("latin-1"))
    Path("docs/c.png").write_text("x")

    ended = leaf_ingest("docs", "--dry-run")

    assert ended.returncode == 3
    lines = ended.stdout.splitlines()
    assert lines[0] == f"nothing was written; {database.name}.chunks would get"
    assert lines[1] == "  1 document in 2 chunks; 1 record rejected"
    assert lines[2].startswith("  2 chunks to encode, of ")
    assert lines[2].endswith(" tokens; 0 updated, 0 removed")
    assert lines[3].endswith(" kB to store for these chunks, as 64 x float32")
    assert lines[4] == "  632 bytes of memory for an index of all these chunks"
    assert re.match(r"  (less than a second|\d+ s) to encode them, at [\d,]+ tokens", lines[5])
    assert max(map(len, lines)) <= 80
    assert "skipped 1 file of another kind (.png)" in ended.stderr
    assert "1 record was rejected; see leaf-ingest.rejects.jsonl" in ended.stderr
