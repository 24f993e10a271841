"""Vectors inside documents of somebody else's: nothing but our two fields ever changes."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bson import ObjectId
from pymongo.collection import Collection
from pymongo.database import Database

from leafsearch.config import load
from leafsearch.ingest import Choices, Document, Fields, TargetError, open_target
from leafsearch.ingest.cli.index_options import InPlaceChoice
from leafsearch.ingest.sources.mongodb.sync import SourceSync
from leafsearch.vectors import ManifestError, load_encoder
from leafsearch.vectors.store import read_manifest
from leaftests.ingest.types import Keep

OURS = ("embedding", "leaf")
MEGABYTE = 2**20


@pytest.fixture
def articles(database: Database[Any]) -> Collection[Any]:
    database["articles"].insert_many(
        [
            {"_id": i, "title": f"Title {i}", "body": f"the text of {i}", "inner": {"leaf": i}}
            for i in range(10)
        ]
    )
    return database["articles"]


def theirs(articles: Collection[Any]) -> dict[Any, dict[str, Any]]:
    """All documents without what is ours."""
    return {d["_id"]: d for d in articles.find({}, dict.fromkeys(OURS, 0))}


def row(articles: Collection[Any], id: Any) -> Any:
    stored = articles.find_one({"_id": id}) or {}
    return read_manifest(articles.database, articles.name).codec.expand([stored["embedding"]])[0]


def encoded(text: str) -> Any:
    return load_encoder("hashing:64").encode_documents([text])[0]


def reasons() -> dict[str, str]:
    """The reasons of the rejects, by the `_id` in their place."""
    entries = map(json.loads, Path("rejects.jsonl").read_text().splitlines())
    return {e["source"].rpartition(" ")[2]: e["reason"] for e in entries}


def holds(summary: Any, **numbers: int) -> bool:
    return {name: getattr(summary, name) for name in numbers} == numbers


def test_a_document_gets_the_vector_of_its_title_and_text_and_nothing_else(
    keep: Keep, articles: Collection[Any]
) -> None:
    before = theirs(articles)

    keep(in_place=True)

    assert theirs(articles) == before
    assert all(set(OURS) < set(document) for document in articles.find())
    assert np.allclose(row(articles, 3), encoded("Title 3 the text of 3"), atol=1e-6)


def test_ids_of_every_kind_are_found_again(keep: Keep, database: Database[Any]) -> None:
    ids: list[Any] = ["a", 7, 2**40, 9.0, ObjectId(), "65f0c0ffee65f0c0ffee65f0"]
    database["articles"].insert_many([{"_id": id, "body": f"text {id}"} for id in ids])

    keep(in_place=True)

    assert database["articles"].count_documents({"leaf.hash": {"$exists": True}}) == len(ids)
    assert database["articles"].count_documents({}) == len(ids)


def test_two_ids_that_read_alike_never_share_a_vector(keep: Keep, database: Database[Any]) -> None:
    database["articles"].insert_many([{"_id": 7, "body": "one"}, {"_id": "7", "body": "other"}])

    keeper = keep(in_place=True)

    assert np.allclose(row(database["articles"], 7), encoded("one"), atol=1e-6)
    assert "embedding" not in (database["articles"].find_one({"_id": "7"}) or {})
    assert holds(keeper.summary, encoded=1, rejected=1)


def test_a_second_run_writes_nothing(keep: Keep, articles: Collection[Any]) -> None:
    keep(in_place=True)
    whole = list(articles.find())

    summary = keep(in_place=True).summary

    assert holds(summary, documents=10, encoded=0, updated=0, unchanged=10, removed=0)
    assert list(articles.find()) == whole


def test_a_change_of_text_or_title_is_encoded_and_of_other_fields_is_not(
    keep: Keep, articles: Collection[Any]
) -> None:
    keep(in_place=True)
    articles.update_one({"_id": 1}, {"$set": {"body": "another text"}})
    articles.update_one({"_id": 2}, {"$set": {"title": "Another title"}})
    articles.update_one({"_id": 3}, {"$set": {"inner": {}}})

    summary = keep(in_place=True).summary

    assert holds(summary, encoded=2, unchanged=8)
    assert np.allclose(row(articles, 1), encoded("Title 1 another text"), atol=1e-6)


def test_a_vector_that_somebody_took_out_comes_again(keep: Keep, articles: Collection[Any]) -> None:
    keep(in_place=True)
    articles.update_one({"_id": 1}, {"$unset": {"embedding": ""}})

    assert holds(keep(in_place=True).summary, encoded=1, unchanged=9)
    assert articles.count_documents({"embedding": {"$exists": True}}) == 10


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"$unset": {"body": ""}}, "no field 'body'; see --text-field"),
        ({"$set": {"body": 5}}, "field 'body' is a number; expected a string"),
        ({"$set": {"body": "  "}}, "field 'body' is empty"),
        ({"$set": {"title": ["x"]}}, "field 'title' is an array; expected a string"),
    ],
    ids=str,
)
def test_a_stale_vector_does_not_stay_where_there_is_no_usable_text(
    keep: Keep, articles: Collection[Any], change: dict[str, Any], reason: str
) -> None:
    keep(in_place=True)
    articles.update_one({"_id": 4}, change)
    before = theirs(articles)

    summary = keep(in_place=True).summary

    assert holds(summary, documents=9, rejected=1, removed=1)
    assert reasons() == {"4": reason}
    assert not set(OURS) & set(articles.find_one({"_id": 4}) or {})
    assert theirs(articles) == before


def test_a_text_that_changes_while_it_is_encoded_gets_the_vector_of_the_new_one(
    keep: Keep, articles: Collection[Any]
) -> None:
    """The change comes when the vectors are made and not yet written."""
    changes = iter(["second", "third"])

    def change(summary: Any) -> None:
        if text := next(changes, None):
            articles.update_one({"_id": 5}, {"$set": {"body": text}})

    keeper = keep(in_place=True, on_progress=change)

    assert np.allclose(row(articles, 5), encoded("Title 5 third"), atol=1e-6)
    assert keeper.unsettled == 0
    assert keeper.summary.documents == 10


def test_a_text_that_never_stands_still_is_left_without_a_vector_and_counted(
    keep: Keep, articles: Collection[Any]
) -> None:
    def change(summary: Any) -> None:
        articles.update_one({"_id": 5}, {"$set": {"body": str(ObjectId())}})

    keeper = keep(in_place=True, on_progress=change)

    assert keeper.unsettled == 1
    assert "embedding" not in (articles.find_one({"_id": 5}) or {})
    assert articles.count_documents({"embedding": {"$exists": True}}) == 9


def test_a_document_that_goes_while_it_is_encoded_does_not_come_back(
    keep: Keep, articles: Collection[Any]
) -> None:
    keep(in_place=True, on_progress=lambda summary: articles.delete_one({"_id": 5}))

    assert articles.find_one({"_id": 5}) is None
    assert articles.count_documents({}) == 9


def test_a_long_text_has_the_mean_of_its_chunks_and_is_counted(
    keep: Keep, articles: Collection[Any]
) -> None:
    sentences = [f"Sentence number {i} speaks of thing {i * i}." for i in range(60)]
    articles.update_one({"_id": 0}, {"$set": {"body": " ".join(sentences)}, "$unset": {"title": 1}})

    keeper = keep(in_place=True)

    chunker: Any = keeper._target.chunker
    parts = [c.text for c in chunker.parts.split(Document("d", " ".join(sentences)))]
    mean = load_encoder("hashing:64").encode_documents(parts).mean(axis=0)
    assert len(parts) > 5
    assert np.allclose(row(articles, 0), mean / np.linalg.norm(mean), atol=1e-6)
    assert chunker.longer == 1
    assert (articles.find_one({"_id": 0}) or {})["leaf"]["chunks"] == len(parts)


def test_a_document_that_the_vector_would_make_too_large_is_a_reject_without_a_stale_one(
    keep: Keep, articles: Collection[Any]
) -> None:
    keep(in_place=True)
    full = 16 * MEGABYTE - 200
    articles.insert_one({"_id": "large", "body": "words", "filler": b"x" * full})
    room = 16 * MEGABYTE - len(str(articles.find_one({"_id": 0}, {"embedding": 0}))) - 120
    articles.update_one({"_id": 0}, {"$unset": {"embedding": "", "leaf": ""}})
    articles.update_one({"_id": 0}, {"$set": {"filler": b"x" * room}})
    before = theirs(articles)

    summary = keep(in_place=True).summary

    assert holds(summary, rejected=2, documents=9)
    assert all("larger" in reason for reason in reasons().values())
    assert theirs(articles) == before


@pytest.mark.parametrize("field", ["embedding", "leaf"])
def test_a_field_of_that_name_that_we_did_not_write_is_never_touched(
    keep: Keep, articles: Collection[Any], field: str
) -> None:
    articles.update_one({"_id": 5}, {"$set": {field: [0.5, 0.5]}})
    before = list(articles.find())

    with pytest.raises(
        TargetError, match=rf"field '{field}' that leafsearch did not write \(_id 5"
    ):
        keep(in_place=True)

    assert list(articles.find()) == before
    assert "leaf_manifests" not in articles.database.list_collection_names()


def test_such_a_field_that_comes_later_makes_its_document_a_reject(
    keep: Keep, articles: Collection[Any]
) -> None:
    keep(in_place=True)
    articles.insert_one({"_id": "late", "body": "text", "embedding": "their own"})

    summary = keep(in_place=True).summary

    assert holds(summary, rejected=1, unchanged=10)
    assert "choose another --path" in reasons()["'late'"]
    assert (articles.find_one({"_id": "late"}) or {})["embedding"] == "their own"


def test_another_path_may_be_chosen_and_is_remembered(
    keep: Keep, articles: Collection[Any], database: Database[Any], target: Callable[..., Any]
) -> None:
    articles.update_many({}, {"$set": {"embedding": "their own"}})
    keep(in_place=True, in_place_path="v")

    assert articles.count_documents({"v": {"$type": "binData"}, "embedding": "their own"}) == 10
    assert holds(keep(in_place=True, in_place_path=None).summary, unchanged=10)
    with pytest.raises(ManifestError, match="path is v, requested w"):
        keep(in_place=True, in_place_path="w")


def test_later_runs_follow_the_fields_of_the_manifest(
    keep: Keep, articles: Collection[Any]
) -> None:
    keep(in_place=True)

    with pytest.raises(ManifestError, match="text_field is body, requested title"):
        keep(in_place=True, fields=Fields("_id", "title", "body"))


def test_chunks_never_come_into_a_collection_with_vectors_in_place(
    keep: Keep, articles: Collection[Any], database: Database[Any]
) -> None:
    settings = settings_of("articles")
    keep(in_place=True)

    with pytest.raises(TargetError, match="with vectors in place; nothing was changed"):
        open_target(database, settings, Choices())
    articles.update_many({}, {"$unset": dict.fromkeys(OURS, "")})
    with pytest.raises(TargetError, match="with vectors in place; nothing was changed"):
        open_target(database, settings, Choices())


def test_vectors_in_place_never_come_into_a_collection_of_chunks(
    keep: Keep, articles: Collection[Any], database: Database[Any]
) -> None:
    keep(in_place=False)

    with pytest.raises(TargetError, match="has a manifest of chunks that leafsearch wrote"):
        open_target(database, settings_of("c"), Choices(in_place=InPlaceChoice(text_field="text")))


def test_once_all_vectors_are_taken_out_another_form_may_come(
    keep: Keep, articles: Collection[Any]
) -> None:
    keep(in_place=True)
    articles.update_many({}, {"$unset": dict.fromkeys(OURS, "")})

    keep(in_place=True, dimensions=32)

    assert read_manifest(articles.database, "articles").dimensions == 32
    assert len(row(articles, 1)) == 32


def test_deleting_takes_out_vectors_and_no_documents(keep: Keep, articles: Collection[Any]) -> None:
    before = theirs(articles)
    keeper: SourceSync = keep(in_place=True)
    store = keeper._target.collection

    assert store.delete([]) == 0
    assert store.delete(list(store.stored(["1", "2", "nobody"]))) == 2
    assert articles.count_documents({"leaf": {"$exists": True}}) == 8
    assert store.count() == 10
    assert theirs(articles) == before


def settings_of(collection: str) -> Any:
    return load(
        {}, teacher="hashing:64", student="hashing:64", storage="full", collection=collection
    )


def test_a_mark_that_another_run_removes_does_not_block(
    keep: Keep, articles: Collection[Any]
) -> None:
    """Out of one document, again and again, while it is looked for."""
    store = keep(in_place=True)._target.collection
    there = articles.find_one({"_id": 1})
    assert there is not None
    ends = threading.Event()

    def take_out() -> None:
        while not ends.is_set():
            articles.update_one({"_id": 1}, {"$unset": {"leaf": ""}})
            articles.update_one({"_id": 1}, {"$set": {"leaf": there["leaf"]}})

    taking = threading.Thread(target=take_out)
    taking.start()
    try:
        assert all(store._finds("1#0", seconds=60) for _ in range(30))
    finally:
        ends.set()
        taking.join()


@pytest.mark.parametrize(
    ("texts", "text"),
    [
        (("title", "body"), "Title 1\n\nthe text of 1"),
        (("body", "inner.note"), "the text of 1\n\nnoted"),
        (("parts.text", "body"), "one\n\ntwo\n\nthe text of 1"),
        (("parts.text",), "one\n\ntwo"),
    ],
)
def test_several_texts_are_encoded_as_one(
    keep: Keep, articles: Collection[Any], texts: tuple[str, ...], text: str
) -> None:
    parts = [{"text": "one", "page": 1}, {"page": 2}, {"text": "two"}, {"text": ""}]
    articles.update_many({}, {"$set": {"parts": parts, "inner.note": "noted"}})
    before = theirs(articles)

    kept = keep(in_place=True, fields=Fields("_id", texts, "title"))
    again = keep(in_place=True, fields=Fields("_id", texts, "title"))

    assert holds(kept.summary, documents=10, encoded=10)
    assert (kept.unsettled, again.unsettled) == (0, 0)
    assert holds(again.summary, unchanged=10, encoded=0)
    assert theirs(articles) == before
    title = "" if "title" in texts else "Title 1 "
    assert np.allclose(row(articles, 1), encoded(f"{title}{text}"), atol=1e-6)


def test_a_change_of_any_of_several_texts_is_seen(keep: Keep, articles: Collection[Any]) -> None:
    fields = Fields("_id", ["title", "body"], "title")
    keep(in_place=True, fields=fields)
    articles.update_one({"_id": 1}, {"$set": {"title": "Other"}})
    articles.update_one({"_id": 2}, {"$unset": {"body": ""}})

    kept = keep(in_place=True, fields=fields)

    assert holds(kept.summary, encoded=2, unchanged=8)
    assert np.allclose(row(articles, 1), encoded("Other\n\nthe text of 1"), atol=1e-6)
    assert np.allclose(row(articles, 2), encoded("Title 2"), atol=1e-6)


def test_a_text_that_changes_while_several_are_encoded_gets_no_stale_vector(
    keep: Keep, articles: Collection[Any]
) -> None:
    def change(summary: Any) -> None:
        articles.update_one({"_id": 4}, {"$set": {"body": "a text of its own"}})

    keep(in_place=True, fields=Fields("_id", ["title", "body"], "title"), on_progress=change)

    assert np.allclose(row(articles, 4), encoded("Title 4\n\na text of its own"), atol=1e-6)


def test_a_manifest_of_one_text_is_written_as_it_was(keep: Keep, articles: Collection[Any]) -> None:
    keep(in_place=True)

    manifest = articles.database["leaf_manifests"].find_one({"_id": "articles"}) or {}
    assert manifest["text_field"] == "body"
    assert "more_text_fields" not in manifest


def test_other_texts_than_the_manifest_has_are_refused(
    keep: Keep, articles: Collection[Any]
) -> None:
    keep(in_place=True, fields=Fields("_id", ["title", "body"], "title"))

    with pytest.raises(ManifestError, match=r"more_text_fields is \('body',\).*--text-field"):
        keep(in_place=True, fields=Fields("_id", "title", "headline"))
