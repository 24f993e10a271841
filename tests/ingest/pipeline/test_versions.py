"""What is stored decides what is done: each document carries its version on all of its chunks."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient, monitoring
from pymongo.database import Database

from leafsearch.config import load
from leafsearch.ingest import (
    Choices,
    Chunker,
    Document,
    Rejects,
    Summary,
    Target,
    ingest,
    open_target,
)
from leafsearch.ingest.chunking.chunk import Chunk
from leafsearch.ingest.pipeline.plan import plan_windows
from leafsearch.ingest.pipeline.stats import Tally
from leafsearch.ingest.pipeline.write import Encoded, Writer, without_vectors

Open = Callable[..., Target]
Write = Callable[..., Summary]

SENTENCES = [f"Sentence number {n} stands here in its place." for n in range(30)]
LONG = " ".join(SENTENCES)


class Counting:
    """A chunker that knows how many documents it was given."""

    def __init__(self, chunker: Any) -> None:
        self._chunker: Chunker = chunker
        self.cut = 0

    def split_many(self, documents: Sequence[Document]) -> list[list[Chunk]]:
        self.cut += len(documents)
        return self._chunker.split_many(documents)


@pytest.fixture
def again(target: Open, tmp_path: Path) -> Callable[..., tuple[Summary, int]]:
    """The summary of a run, and how many documents it has cut."""

    def run(*documents: Document, **choices: Any) -> tuple[Summary, int]:
        opened = target(**choices)
        counting = Counting(opened.chunker)
        opened.chunker = counting  # type: ignore[assignment]
        rejects = Rejects(tmp_path / "r.jsonl")
        return ingest(documents, opened, rejects=rejects), counting.cut

    return run


Again = Callable[..., tuple[Summary, int]]


def stored(database: Database[Any]) -> dict[str, dict[str, Any]]:
    return {chunk["_id"]: chunk for chunk in database["c"].find()}


def counts(summary: Summary) -> tuple[int, int, int, int]:
    return summary.encoded, summary.updated, summary.unchanged, summary.removed


def test_a_document_that_is_stored_whole_is_neither_cut_nor_encoded(
    write: Write, again: Again
) -> None:
    first = write([Document("a", LONG), Document("b", "Short.")])

    summary, cut = again(Document("a", LONG), Document("b", "Short."))

    assert cut == 0
    assert counts(summary) == (0, 0, first.chunks, 0)
    assert (summary.documents, summary.chunks, summary.tokens) == (2, first.chunks, 0)


@pytest.mark.parametrize("position", [0, 3])
def test_a_chunk_that_is_missing_is_made_again_and_no_other(
    write: Write, again: Again, database: Database[Any], position: int
) -> None:
    chunks = write([Document("a", LONG)]).chunks
    before = stored(database)
    database["c"].delete_one({"_id": f"a#{position}"})

    summary, cut = again(Document("a", LONG))

    assert cut == 1
    assert counts(summary) == (1, 0, chunks - 1, 0)
    assert stored(database) == before


def test_a_chunk_of_another_version_is_mended_without_encoding(
    write: Write, again: Again, database: Database[Any]
) -> None:
    """As a run leaves it that was killed between its writes."""
    chunks = write([Document("a", LONG)]).chunks
    before = stored(database)
    database["c"].update_one({"_id": "a#2"}, {"$set": {"version": 7}})

    summary, _ = again(Document("a", LONG))

    assert counts(summary) == (0, 0, chunks, 0)
    assert stored(database) == before


def test_chunks_that_another_run_removes_meanwhile_are_noticed(
    write: Write, target: Open, database: Database[Any]
) -> None:
    """Between the reading of what is stored and the writing of what has changed."""
    write([Document("a", LONG, metadata={"year": 1}), Document("b", LONG, metadata={"year": 1})])
    later = [Document(id, LONG, metadata={"year": 2}) for id in ("a", "b")]
    opened = target()

    (planned,) = plan_windows([later], opened, Tally(lambda summary: None))
    database["c"].delete_many({"document": "a"})
    Writer(opened, Tally(lambda summary: None), lambda rejected: None).write(
        [without_vectors(planned)]
    )

    assert opened.collection.outrun == {"a"}
    assert {chunk["metadata"]["year"] for chunk in stored(database).values()} == {2}


def test_a_chunk_that_another_run_has_written_meanwhile_stays(
    write: Write, target: Open, database: Database[Any], tmp_path: Path
) -> None:
    """One chunk of `a` was there, none of `b`; both write `c`, and alike."""
    write([Document("a", "One.")])
    opened, tally = target(), Tally(lambda summary: None)
    (planned,) = plan_windows([[Document(id, "Two.") for id in "abc"]], opened, tally)
    write([Document("a", "Three."), Document("b", "Three."), Document("c", "Two.")])
    theirs = stored(database)

    chunks = [chunk for plan in planned for chunk in plan.new]
    rows = opened.teacher.encode_documents([chunk.text for chunk in chunks])
    Writer(opened, tally, lambda rejected: None).write([Encoded(planned, chunks, rows)])

    assert opened.collection.outrun == {"a", "b"}
    assert stored(database) == theirs


def test_a_damaged_chunk_too_many_is_removed(
    write: Write, again: Again, database: Database[Any]
) -> None:
    write([Document("a", LONG)])
    database["c"].update_one({"_id": "a#2"}, {"$unset": {"embedding": ""}})

    again(Document("a", "Short."))

    assert list(stored(database)) == ["a#0"]


def test_a_chunk_too_many_is_removed(write: Write, again: Again, database: Database[Any]) -> None:
    """As a run leaves it that was killed before it deleted."""
    chunks = write([Document("a", LONG)]).chunks
    before = stored(database)
    database["c"].insert_one({**before["a#1"], "_id": "a#99", "position": 99})

    summary, _ = again(Document("a", LONG))

    assert counts(summary) == (0, 0, chunks, 1)
    assert stored(database) == before


def test_chunks_of_an_older_version_of_the_program_get_what_they_lack_without_encoding(
    write: Write, again: Again, database: Database[Any]
) -> None:
    document = Document("a", LONG, source="docs")
    chunks = write([document]).chunks
    before = stored(database)
    database["c"].update_many({}, {"$unset": {"version": "", "source": ""}})

    summary, _ = again(document)
    third, cut = again(document)

    assert counts(summary) == (0, 0, chunks, 0)
    assert stored(database) == before
    assert cut == 0
    assert third.unchanged == chunks


def test_a_change_of_source_writes_only_its_name(
    write: Write, again: Again, database: Database[Any]
) -> None:
    chunks = write([Document("a", LONG, source="old")]).chunks
    before = stored(database)

    summary, _ = again(Document("a", LONG, source="new"))

    after = stored(database)
    assert counts(summary) == (0, 0, chunks, 0)
    assert {chunk["source"] for chunk in after.values()} == {"new"}
    for id, chunk in after.items():
        assert {**chunk, "source": "old", "version": before[id]["version"]} == before[id]


def test_other_metadata_is_written_to_each_chunk_without_encoding(
    write: Write, again: Again, database: Database[Any]
) -> None:
    chunks = write([Document("a", LONG, metadata={"year": 1})]).chunks

    summary, _ = again(Document("a", LONG, metadata={"year": 2}))

    assert counts(summary) == (0, chunks, 0, 0)
    assert {chunk["metadata"]["year"] for chunk in stored(database).values()} == {2}


def test_a_long_document_encodes_only_its_changed_chunks(
    write: Write, again: Again, database: Database[Any]
) -> None:
    chunks = write([Document("a", LONG)]).chunks
    changed = LONG.replace("number 29 stands", "number 29 lies")

    summary, _ = again(Document("a", changed))

    assert counts(summary) == (1, 0, chunks - 1, 0)
    assert len({chunk["version"] for chunk in stored(database).values()}) == 1
    assert "number 29 lies" in stored(database)[f"a#{chunks - 1}"]["text"]


def test_a_title_that_moves_into_the_text_moves_there_in_what_is_stored(
    write: Write, again: Again, database: Database[Any]
) -> None:
    """What is encoded is the same, so the vector stays, but a reader sees the text."""
    write([Document("a", "The rest.", "The title")])

    summary, _ = again(Document("a", "The title The rest."))

    assert summary.encoded == 0
    assert stored(database)["a#0"]["text"] == "The title The rest."


class Writes(monitoring.CommandListener):
    """Names of the commands that write, in the order in which the server is given them."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in ("insert", "update", "delete"):
            self.names.append(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


def test_a_document_that_shrinks_loses_its_old_chunks_last(
    write: Write, mongodb_uri: str, database: Database[Any], tmp_path: Path
) -> None:
    write([Document("a", LONG)])
    commands = Writes()

    with MongoClient[Any](mongodb_uri, event_listeners=[commands]) as heard:
        settings = load(
            {}, teacher="hashing:64", student="hashing:64", storage="full", collection="c"
        )
        opened = open_target(heard[database.name], settings, Choices(chunk_tokens=32))
        commands.names.clear()
        ingest([Document("a", "Short.")], opened, rejects=Rejects(tmp_path / "r"))

    assert commands.names[-1] == "delete"
    assert commands.names.count("delete") == 1
    assert set(stored(database)) == {"a#0"}
