import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from bson.int64 import Int64
from pymongo.database import Database

from leafsearch.ingest import (
    Document,
    Place,
    Rejected,
    Rejects,
    Summary,
    Target,
    TargetError,
    ingest,
)
from leafsearch.ingest.pipeline.extent import Seen
from leafsearch.ingest.pipeline.queue import Stopped
from leafsearch.vectors import CodecError, ManifestError, load_encoder
from leafsearch.vectors.store import MANIFESTS, find_manifest, read_manifest

LONG = " ".join(f"Sentence number {n} stands here." for n in range(40))
Write = Callable[..., Summary]
Open = Callable[..., Target]


def stored(database: Database[Any]) -> dict[str, dict[str, Any]]:
    return {chunk["_id"]: chunk for chunk in database["c"].find()}


def documents(*texts: str) -> list[Document]:
    return [Document(str(n), text) for n, text in enumerate(texts)]


def test_what_is_stored_is_the_chunk_its_metadata_and_its_vector(
    write: Write, database: Database[Any]
) -> None:
    write([Document("a", "The text.", "Title", {"title": "Title", "year": 2020}, source="docs")])

    chunk = stored(database)["a#0"]
    vector = np.frombuffer(chunk.pop("embedding")[2:], "<f4")
    assert len(chunk.pop("hash")) == 16
    assert isinstance(chunk.pop("version"), Int64)
    assert chunk == {
        "_id": "a#0",
        "document": "a",
        "position": 0,
        "text": "The text.",
        "metadata": {"title": "Title", "year": 2020},
        "place": {},
        "source": "docs",
    }
    encoded = load_encoder("hashing:64").encode_documents(["Title The text."])[0]
    assert np.allclose(vector, encoded, atol=1e-7)


@pytest.mark.parametrize(("precision", "size"), [("float32", 258), ("int8", 66), ("binary", 10)])
def test_each_precision_is_stored_in_its_own_bytes(
    write: Write, database: Database[Any], precision: str, size: int
) -> None:
    write(documents("one", "two words", LONG), precision=precision)

    manifest = read_manifest(database, "c")
    rows = load_encoder("hashing:64").encode_documents(
        [c["text"] for c in stored(database).values()]
    )
    assert [c["embedding"] for c in stored(database).values()] == manifest.codec.compress(rows)
    assert {len(c["embedding"]) for c in stored(database).values()} == {size}


def test_a_second_run_encodes_nothing(write: Write, database: Database[Any]) -> None:
    first = write(documents("one", LONG))
    before = stored(database)

    second = write(documents("one", LONG))

    assert first.encoded == first.chunks == len(before) > 2
    assert (second.encoded, second.updated, second.removed) == (0, 0, 0)
    assert second.unchanged == first.chunks
    assert stored(database) == before


def test_only_what_changed_is_encoded(write: Write, database: Database[Any]) -> None:
    write(documents("one", "two"))

    summary = write(documents("one", "three"))

    assert (summary.encoded, summary.unchanged) == (1, 1)
    assert stored(database)["1#0"]["text"] == "three"


def test_changed_metadata_is_written_without_encoding(
    write: Write, database: Database[Any]
) -> None:
    write([Document("a", "text", metadata={"year": 1})])
    before = stored(database)["a#0"]

    summary = write([Document("a", "text", metadata={"year": 2, "$odd.name": 3})])

    after = stored(database)["a#0"]
    assert (summary.encoded, summary.updated) == (0, 1)
    assert after["metadata"] == {"year": 2, "$odd.name": 3}
    assert after["embedding"] == before["embedding"]
    assert write([Document("a", "text", metadata={"year": 2, "$odd.name": 3})]).unchanged == 1


def test_a_document_that_shrinks_leaves_no_orphans(write: Write, database: Database[Any]) -> None:
    write(documents(LONG))

    summary = write(documents("short"))

    assert summary.removed > 2
    assert set(stored(database)) == {"0#0"}


def test_unchanged_means_id_and_content_together(write: Write, database: Database[Any]) -> None:
    """A changed text that another id has already, and a new id with a known text."""
    write([Document("x", "A")])

    summary = write([Document("x", "B"), Document("y", "A")])

    assert summary.encoded == 2
    assert {i: c["text"] for i, c in stored(database).items()} == {"x#0": "B", "y#0": "A"}


def test_other_documents_stay(write: Write, database: Database[Any]) -> None:
    write(documents("one", "two"))

    write([Document("new", "three")])

    assert set(stored(database)) == {"0#0", "1#0", "new#0"}


def test_an_id_that_stands_twice_is_rejected_the_second_time(
    target: Open, database: Database[Any], tmp_path: Path
) -> None:
    rejects = Rejects(tmp_path / "r.jsonl")
    records = [
        Document("a", "first", place=Place("f", 1)),
        Rejected(Place("f", 2), "is bad", "{}"),
        Document("a", "second", place=Place("f", 3)),
    ]

    summary = ingest(records, target(), rejects=rejects)
    rejects.close()

    assert (summary.documents, summary.rejected) == (1, 2)
    assert stored(database)["a#0"]["text"] == "first"
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert lines[0] == {"source": "f", "line": 2, "reason": "is bad", "record": "{}"}
    assert lines[1]["reason"] == "id 'a' occurs twice in this run, first at f:1"


def test_without_rejects_there_is_no_file(write: Write, tmp_path: Path) -> None:
    write(documents("one"))

    assert not (tmp_path / "rejects.jsonl").exists()


def test_a_run_that_was_stopped_is_finished_by_the_next(
    write: Write, database: Database[Any]
) -> None:
    corpus = [Document(str(n), f"Document {n}. {LONG}") for n in range(1200)]

    def broken() -> Iterator[Document]:
        yield from corpus[:800]
        while not stored(database):
            time.sleep(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(broken())
    there = len(stored(database))
    summary = write(corpus)

    assert 0 < there == summary.unchanged
    assert summary.chunks == len(stored(database)) == there + summary.encoded


def test_a_collection_that_is_not_ours_is_left_alone(target: Open, database: Database[Any]) -> None:
    database["c"].insert_one({"_id": 1, "precious": True})

    with pytest.raises(TargetError, match="documents that leafsearch did not write"):
        target()

    assert list(database["c"].find()) == [{"_id": 1, "precious": True}]
    assert find_manifest(database, "c") is None


def test_nothing_is_written_before_the_first_vectors(target: Open, database: Database[Any]) -> None:
    target()

    assert database.list_collection_names() == []


def test_the_manifest_says_how_the_vectors_were_made(write: Write, database: Database[Any]) -> None:
    write(documents("one", LONG), precision="int8", dimensions=32, filters=["metadata.year"])

    manifest = read_manifest(database, "c")

    assert manifest.teacher == manifest.student
    assert manifest.teacher.name == "hashing:64"
    assert (manifest.dimensions, manifest.precision, manifest.similarity) == (32, "int8", "cosine")
    assert manifest.filters == ("document", "metadata.year")
    assert 0 < (manifest.scale or 0) <= 1 / 127
    assert manifest.alignment == 1


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({"precision": "int8"}, "precision is float32, requested int8"),
        ({"dimensions": 32}, "dimensions is 64, requested 32"),
        ({"quantization": "scalar"}, "quantization is none, requested scalar"),
        ({"chunk_tokens": 64}, "chunk_tokens is 32, requested 64"),
        ({"storage": "binary"}, "precision is float32, requested binary"),
    ],
)
def test_a_collection_keeps_the_form_it_was_made_in(
    write: Write, choices: dict[str, Any], expected: str
) -> None:
    write(documents("one"))

    with pytest.raises(ManifestError, match=expected):
        write(documents("two"), **choices)


def test_the_server_can_quantize_what_is_stored_as_float32(
    write: Write, database: Database[Any]
) -> None:
    write(documents("one"), quantization="scalar")

    (index,) = database["c"].list_search_indexes()
    assert index["latestDefinition"]["fields"][0]["quantization"] == "scalar"


def test_more_dimensions_than_the_teacher_has_are_refused(target: Open) -> None:
    with pytest.raises(TargetError, match="has 256 dimensions, but teacher hashing:64 gives 64"):
        target("mrl256")


def test_filter_paths_can_be_added_later(write: Write, database: Database[Any]) -> None:
    write(documents("one"), filters=["metadata.year"])

    write(documents("one"), filters=["metadata.tag"])

    (index,) = database["c"].list_search_indexes()
    paths = [f["path"] for f in index["latestDefinition"]["fields"] if f["type"] == "filter"]
    assert paths == ["document", "metadata.year", "metadata.tag"]
    assert read_manifest(database, "c").filters == tuple(paths)


def test_an_index_that_was_dropped_is_made_again(write: Write, database: Database[Any]) -> None:
    write(documents("one"))
    database["c"].drop_search_index("leaf_vectors")

    summary = write(documents("one"))

    assert summary.encoded == 0
    assert [index["name"] for index in database["c"].list_search_indexes()] == ["leaf_vectors"]


def test_a_dropped_collection_is_filled_again_by_its_manifest(
    write: Write, database: Database[Any]
) -> None:
    write(documents("one"), precision="int8")
    database["c"].drop()

    write(documents("one", "two"), storage=None)

    assert {len(c["embedding"]) for c in stored(database).values()} == {66}
    assert database[MANIFESTS].count_documents({}) == 1


def test_a_vector_that_cannot_be_stored_is_named_and_nothing_is_written(
    write: Write, database: Database[Any]
) -> None:
    """Cut to two dimensions, hashed vectors of one word are mostly zeros."""
    with pytest.raises(CodecError, match=r"chunk 0#0: vector 0 of 1 holds .* only zeros"):
        write(documents("word"), dimensions=2)

    assert database.list_collection_names() == []


def test_ids_that_are_closed_while_a_thread_asks_end_that_thread() -> None:
    """As where a run is interrupted; SQLite ended the process with a segmentation fault."""
    documents = [Document(f"d{n}", "") for n in range(2000)]
    ended = []

    def ask_for_ever(seen: Seen) -> None:
        while True:
            list(seen.judged(documents))
            seen.has("d7")

    def ask(seen: Seen) -> None:
        with pytest.raises(Stopped):
            ask_for_ever(seen)
        ended.append(seen)

    for _ in range(20):
        seen = Seen()
        asking = Thread(target=ask, args=(seen,))
        asking.start()
        time.sleep(0.005)
        seen.close()
        asking.join()
    assert len(ended) == 20
