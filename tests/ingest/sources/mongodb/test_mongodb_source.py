"""A collection of somebody else's into a collection of chunks."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from bson import Binary, Code, Decimal128, Int64, ObjectId, Regex, Timestamp
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from leafsearch.ingest import Document, Fields, Rejected, SourceError, TargetError
from leafsearch.ingest.sources.mongodb.address import Address
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leaftests.ingest.types import Keep

VALUES: dict[str, Any] = {
    "day": datetime(2024, 2, 29, 12, 30, 1, 5000),
    "owner": ObjectId(),
    "small": 7,
    "large": Int64(7),
    "real": 7.0,
    "price": Decimal128("19.90"),
    "uuid": Binary.from_uuid(UUID(int=5)),
    "bytes": Binary(b"\0\1", 5),
    "tags": ["a", 1, None, {"x": datetime(2020, 1, 1)}],
    "inner": {"z": 1, "a": {"b": False}},
    "nothing": None,
    "pattern": Regex("^a", "i"),
    "code": Code("x"),
    "stamp": Timestamp(1, 2),
    "metadata": {"year": 2020},
    "id": "not the _id",
}


def rejects() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("rejects.jsonl").read_text().splitlines()]


def test_every_field_keeps_its_name_its_value_and_its_bson_type(
    keep: Keep, database: Database[Any]
) -> None:
    database["articles"].insert_one({"_id": 1, "body": "some text", **VALUES})

    keep(in_place=False)

    raw = CodecOptions(document_class=RawBSONDocument)
    stored = database["c"].with_options(raw).find_one()
    before = database["articles"].with_options(raw).find_one({}, {"_id": 0, "body": 0})
    assert stored is not None
    assert before is not None
    assert (stored["_id"], stored["text"]) == ("1#0", "some text")
    assert stored["metadata"].raw == before.raw


def test_ids_of_all_types_become_text(keep: Keep, database: Database[Any]) -> None:
    ids: list[Any] = [ObjectId(), "a", 7, Int64(2**40), 8.0, Binary.from_uuid(UUID(int=1))]
    database["articles"].insert_many([{"_id": id, "body": f"text of {id}"} for id in ids])
    database["articles"].insert_many([{"_id": {"a": 1}, "body": "x"}, {"_id": 1.5, "body": "x"}])

    keeper = keep(in_place=False)

    wanted = {str(ids[0]), "a", "7", str(2**40), "8", str(UUID(int=1))}
    assert set(database["c"].distinct("document")) == wanted
    assert keeper.summary.rejected == 2
    assert all("field '_id' is" in reason for reason in (r["reason"] for r in rejects()))


@pytest.mark.parametrize("path", ["content.body.en", "content.body", "a b"])
def test_the_text_may_lie_deep_inside(keep: Keep, database: Database[Any], path: str) -> None:
    document: dict[str, Any] = {"_id": "d", "content": {"year": 1}, "kept": True}
    inner = document
    for name in path.split(".")[:-1]:
        inner = inner.setdefault(name, {})
    inner[path.split(".")[-1]] = "the text"
    database["articles"].insert_one(document)

    keep(in_place=False, fields=Fields("_id", path, "title"))

    stored = database["c"].find_one() or {}
    assert stored["text"] == "the text"
    assert stored["metadata"]["content"]["year"] == 1
    assert "the text" not in str(stored["metadata"])


def test_documents_that_have_no_usable_text_are_rejects_with_their_place(
    keep: Keep, database: Database[Any]
) -> None:
    bad: list[dict[str, Any]] = [{"headline": "x"}, {"body": 5}, {"body": " "}, {"body": ["a"]}]
    database["articles"].insert_many([{"_id": i, **each} for i, each in enumerate(bad)])
    database["articles"].insert_one({"_id": "good", "body": "text"})

    keeper = keep(in_place=False)

    assert (keeper.summary.documents, keeper.summary.rejected) == (1, 4)
    entries = rejects()
    assert entries[0]["source"] == f"{database.name}.articles _id 0"
    assert entries[0]["reason"].startswith("no field 'body' (fields: 'headline')")
    assert [entry["reason"] for entry in entries[1:]] == [
        "field 'body' is a number; expected a string",
        "field 'body' is empty",
        "field 'body' is an array; expected a string",
    ]
    assert json.loads(entries[1]["record"]) == {"_id": 1, "body": 5}


def test_a_second_run_encodes_only_what_changed(keep: Keep, database: Database[Any]) -> None:
    database["articles"].insert_many([{"_id": i, "body": f"text {i}", "n": i} for i in range(9)])
    keep(in_place=False)
    database["articles"].update_one({"_id": 3}, {"$set": {"body": "other"}})
    database["articles"].update_one({"_id": 4}, {"$set": {"n": 40}})

    summary = keep(in_place=False).summary

    assert (summary.encoded, summary.updated, summary.unchanged) == (1, 1, 7)
    assert (database["c"].find_one({"_id": "4#0"}) or {})["metadata"] == {"n": 40}


def test_only_what_the_query_finds_is_read(keep: Keep, database: Database[Any]) -> None:
    database["articles"].insert_many(
        [{"_id": i, "body": f"text {i}", "lang": "en" if i % 2 else "de"} for i in range(6)]
    )

    keep(in_place=False, query={"lang": "en"})

    assert set(database["c"].distinct("document")) == {"1", "3", "5"}


def test_vectors_in_place_do_not_become_metadata_of_chunks(
    keep: Keep, database: Database[Any]
) -> None:
    database["articles"].insert_one({"_id": 1, "body": "some text", "year": 2020})
    keep(in_place=True)

    keep(in_place=False)

    assert (database["c"].find_one() or {})["metadata"] == {"year": 2020}


def source(database: Database[Any], name: str = "articles") -> MongoSource:
    return MongoSource(database.client, Address(database.name, name), Fields(text="body"))


def test_reading_goes_on_where_a_cursor_was_lost_through_ids_of_all_types(
    database: Database[Any],
) -> None:
    ids: list[Any] = [
        *range(700),
        *(f"s{i:04}" for i in range(700)),
        *(ObjectId() for _ in range(5)),
    ]
    database["articles"].insert_many([{"_id": id, "body": "text"} for id in ids])
    read: list[str] = []

    for record in source(database).records():
        assert isinstance(record, Document)
        read.append(record.id)
        if len(read) in (300, 800, 1100):
            end_cursors(database)

    assert read == [str(id) for id in ids]


def end_cursors(database: Database[Any]) -> None:
    """Kill a cursor, as the server does when ten minutes pass without a request."""
    stages: list[dict[str, Any]] = [
        {"$currentOp": {"idleCursors": True, "allUsers": True}},
        {"$match": {"type": "idleCursor", "ns": f"{database.name}.articles"}},
    ]
    for found in database.client.admin.aggregate(stages):
        ids = [found["cursor"]["cursorId"]]
        database.command("killCursors", "articles", cursors=ids)


def test_a_collection_that_is_not_there_is_reported_with_those_that_are(
    keep: Keep, database: Database[Any]
) -> None:
    database["articles"].insert_one({"body": "text"})
    keeper = keep(in_place=False)

    with pytest.raises(SourceError, match=r"no collection 'artikel' .*\(it has: articles, c\)"):
        source(database, "artikel").begin(keeper._target.manifest)


def test_chunks_do_not_come_among_documents_of_others(keep: Keep, database: Database[Any]) -> None:
    database["articles"].insert_one({"body": "text"})
    database["c"].insert_one({"something": "else"})

    with pytest.raises(TargetError, match="did not write; nothing was changed"):
        keep(in_place=False)


def test_a_text_that_is_not_utf8_fails_only_its_document(database: Database[Any]) -> None:
    good = RawBSONDocument(_bson("a", b"fine"))
    bad = RawBSONDocument(_bson("b", b"not \xff\xfe good"))
    database["articles"].insert_many([good, bad])

    first, second = source(database).records()

    assert isinstance(first, Document)
    assert first.text == "fine"
    assert isinstance(second, Rejected)
    assert "not UTF-8" in second.reason


def _bson(id: str, body: bytes) -> bytes:
    def text(name: bytes, value: bytes) -> bytes:
        return b"\x02" + name + b"\0" + (len(value) + 1).to_bytes(4, "little") + value + b"\0"

    inner = text(b"_id", id.encode()) + text(b"body", body) + b"\0"
    return (len(inner) + 4).to_bytes(4, "little") + inner
