"""Runs that write into one collection at the same time; `scripts/endure` does it for hours."""

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.ingest import Document, Rejects, Target, ingest
from leafsearch.ingest.errors import OverlapError
from leafsearch.ingest.target.target import Lost, settle_overlap
from leafsearch.vectors import Collection
from leafsearch.vectors.store import Registration, RetryBudget
from leafsearch.vectors.store.writers import WRITERS
from leaftests.endure.model import Ledger
from leaftests.endure.steps import STEPS
from leaftests.endure.world import World
from leaftests.ingest.types import Ordered, Run
from mongotests.searching import wait_for

Open = Callable[..., Target]
LONG = " ".join(f"Sentence {n} of it." for n in range(40))


def documents(*ids: str, text: str = LONG) -> list[Document]:
    return [Document(id, text, source="s") for id in ids]


@pytest.fixture
def rejects(tmp_path: Path) -> Iterator[Rejects]:
    with closing(Rejects(tmp_path / "r.jsonl")) as made:
        yield made


@pytest.fixture
def beside(database: Database[Any]) -> Iterator[Registration]:
    writer = Registration(database, "c", RetryBudget())
    yield writer
    writer.leave()


def stored(database: Database[Any]) -> dict[str, Any]:
    return {chunk["_id"]: chunk for chunk in database["c"].find()}


@pytest.mark.parametrize("seed", [2])
def test_runs_that_overlap_and_are_killed_end_as_one_after_another(
    mongodb_uri: str, database: Database[Any], tmp_path: Path, seed: int
) -> None:
    ledger = Ledger()
    (tmp_path / "corpora").mkdir()
    with closing(World(mongodb_uri, mongodb_uri, tmp_path / "corpora", ledger)) as world:
        for kind, step in STEPS.items():
            world.chance = Random(f"{kind} {seed}")
            with world.database(f"{database.name}_{kind.replace(' ', '_')}") as own:
                step(world, own)
    assert ledger.kills > 0
    assert len(ledger.checks) >= len(STEPS)


def test_a_writer_is_alone_until_another_is_there_or_was_there(
    database: Database[Any], beside: Registration
) -> None:
    first = Registration(database, "c", RetryBudget())
    elsewhere = Registration(database, "other", RetryBudget())

    first.enter()
    elsewhere.enter()
    assert first.was_alone()
    beside.enter()
    assert not first.was_alone()  # it is there
    beside.leave()
    assert not first.was_alone()  # it was there when this was asked before
    assert first.was_alone()
    beside.enter()
    beside.leave()
    assert not first.was_alone()  # it came and went
    assert first.was_alone()


def test_an_expired_writer_still_counts_for_runs_that_did_not_see_it(
    database: Database[Any], beside: Registration
) -> None:
    beside.enter()
    long_ago = {"$set": {"active.0.seen": database.client.admin.command("hello")["localTime"]}}
    database[WRITERS].update_one({"_id": "c"}, long_ago)
    database[WRITERS].update_one(
        {"_id": "c"}, [{"$set": {"active": {"$map": {"input": "$active", "in": _older("$$this")}}}}]
    )
    other = Registration(database, "c", RetryBudget())
    other.enter()
    assert other.was_alone()

    assert not beside.was_alone()

    assert not other.was_alone()


def _older(entry: str) -> dict[str, Any]:
    day = 86_400_000
    return {"run": f"{entry}.run", "seen": {"$subtract": [f"{entry}.seen", day]}}


def test_a_run_that_writes_nothing_leaves_nothing(database: Database[Any], target: Open) -> None:
    with closing(target()) as opened:
        opened.registration.enter()

    assert database.list_collection_names() == []


@pytest.mark.parametrize("change", ["deleted", "replaced", "one more"])
def test_what_another_run_undid_is_written_again(
    database: Database[Any], target: Open, rejects: Rejects, beside: Registration, change: str
) -> None:
    with closing(target()) as opened:
        ingest(documents("a", "b"), opened, rejects=rejects)
        before = stored(database)
        beside.enter()
        if change == "deleted":
            database["c"].delete_many({"document": "a"})
        elif change == "replaced":
            database["c"].update_one({"_id": "a#1"}, {"$set": {"text": "other", "version": 7}})
        else:
            database["c"].insert_one({**before["a#0"], "_id": "a#99", "position": 99, "version": 7})
        mended: list[Lost] = []

        def mend(lost: Lost) -> None:
            mended.append(lost)
            ingest(documents(*sorted(lost)), opened, rejects=rejects)

        settle_overlap(opened, mend)

    assert mended == [{"a"}]
    assert stored(database) == before


def test_an_overlap_that_never_settles_is_an_error(
    database: Database[Any], target: Open, rejects: Rejects, beside: Registration
) -> None:
    with closing(target()) as opened:
        ingest(documents("a"), opened, rejects=rejects)
        beside.enter()
        database["c"].delete_many({})

        def mend(lost: Lost) -> None:
            ingest(documents(*lost), opened, rejects=rejects)
            database["c"].delete_many({})

        with pytest.raises(OverlapError, match=r"another run wrote 1 document \(a\) at the same"):
            settle_overlap(opened, mend)


def test_a_run_that_was_alone_does_not_look_again(
    database: Database[Any], target: Open, rejects: Rejects
) -> None:
    with closing(target()) as opened:
        ingest(documents("a"), opened, rejects=rejects)
        database["c"].delete_many({})  # by a hand that no run knows of

        settle_overlap(opened, lambda lost: pytest.fail("it has looked"))


@pytest.mark.long
def test_a_corpus_out_of_a_pipe_that_another_run_undoes_fails_with_a_line(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    """What was compared already is replaced while the rest is still to come."""
    lines = [json.dumps({"id": f"d{n}", "text": f"Text {n} of many."}) + "\n" for n in range(2000)]
    Path("first.jsonl").write_text("".join(lines[1:1000]))
    Path("other.jsonl").write_text(json.dumps({"id": "d5", "text": "Another text."}) + "\n")
    assert leaf_ingest("first.jsonl", "--source", "s", "--wait", 0).returncode == 0
    os.mkfifo("pipe.jsonl")
    codes: list[Any] = []

    def piped() -> None:
        codes.append(leaf_ingest("pipe.jsonl", "--source", "s", "--wait", 0))

    running = threading.Thread(target=piped)
    running.start()
    with open("pipe.jsonl", "w") as pipe:
        pipe.write("".join(lines[:1000]))
        pipe.flush()
        # Written after it and its neighbours were compared.
        wait_for(lambda: database["chunks"].find_one({"_id": "d0#0"}))
        assert leaf_ingest("other.jsonl", "--wait", 0).returncode == 0
        pipe.write("".join(lines[1000:]))
    running.join()

    (done,) = codes
    assert done.returncode == 1
    assert "another run wrote 1 document (d5) at the same time; expected" in done.stderr
    assert database["chunks"].count_documents({}) == 2000


def test_a_change_is_not_made_beside_a_vector_of_another_text(
    database: Database[Any], target: Open, rejects: Rejects
) -> None:
    with closing(target()) as opened:
        ingest(documents("a"), opened, rejects=rejects)
        seen = {"a#0": stored(database)["a#0"]["hash"]}
        database["c"].update_one({"_id": "a#0"}, {"$set": {"hash": b"0123456789abcdef"}})
        change = {"a#0": {"version": 7, "text": "a text without its vector"}}

        opened.collection.update(change, seen=seen)

        assert opened.collection.missed(change) == {"a#0"}
        assert stored(database)["a#0"]["text"] != change["a#0"]["text"]


def test_only_a_chunk_that_is_as_it_was_seen_is_deleted(
    database: Database[Any], target: Open, rejects: Rejects
) -> None:
    with closing(target()) as opened:
        ingest(documents("a"), opened, rejects=rejects)
        versions = [stored(database)["a#0"]["version"]]
        database["c"].update_one({"_id": "a#1"}, {"$set": {"version": 7}})

        assert opened.collection.delete(["a#0", "a#1"], versions=versions) == 1

        assert "a#1" in stored(database)


@pytest.mark.parametrize("sources", [["s"], ["s", "t"], []])
def test_the_documents_of_sources_come_once_each(
    database: Database[Any], target: Open, rejects: Rejects, sources: Sequence[str]
) -> None:
    with closing(target()) as opened:
        ingest(documents(*(f"d{n:03}" for n in range(300))), opened, rejects=rejects)
        opened.collection._page = 7  # chunks, fewer than a document has

        found = list(opened.collection.documents_of(sources))

    assert found == ([f"d{n:03}" for n in range(300)] if sources else [])


@pytest.fixture
def beside_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[type, str, Callable[[], None]], None]:
    """Does something before the first of these steps of a run, which really does them then."""

    def put(kind: type, step: str, other: Callable[[], None]) -> None:
        really, left = getattr(kind, step), [other]

        def does(*args: Any, **options: Any) -> Any:
            if left:
                left.pop()()
            return really(*args, **options)

        monkeypatch.setattr(kind, step, does)

    return put


@pytest.fixture
def three(ordered: Ordered) -> None:
    """a.jsonl has the first 20 of 30 stored documents, b.jsonl the last 20."""
    lines = [json.dumps({"id": f"d{n}", "text": f"Text {n}."}) + "\n" for n in range(30)]
    Path("ab.jsonl").write_text("".join(lines))
    Path("a.jsonl").write_text("".join(lines[:20]))
    Path("b.jsonl").write_text("".join(lines[10:]))
    ordered("ab.jsonl", source="s")


def sources(database: Database[Any]) -> dict[str, str]:
    return {chunk["document"]: chunk["source"] for chunk in database["c"].find()}


@pytest.mark.usefixtures("three")
def test_a_run_of_another_source_loses_nothing_to_a_prune_beside_it(
    ordered: Ordered, database: Database[Any], beside_step: Callable[..., None]
) -> None:
    """The prune removes what the run has compared and is about to take over."""
    beside_step(Collection, "update", lambda: ordered("a.jsonl", source="s", prune=True))

    reported = ordered("b.jsonl", source="other")

    assert reported["encoded"] == 10
    assert sources(database) == {f"d{n}": "s" if n < 10 else "other" for n in range(30)}


@pytest.mark.usefixtures("three")
def test_a_prune_beside_a_run_of_another_source_keeps_what_that_took(
    ordered: Ordered, database: Database[Any], beside_step: Callable[..., None]
) -> None:
    """The run takes over what the prune has found gone, and some that it has read."""
    beside_step(Collection, "delete_documents", lambda: ordered("b.jsonl", source="other"))

    reported = ordered("a.jsonl", source="s", prune=True)

    assert (reported["removed"], reported["encoded"]) == (0, 0)
    assert sources(database) == {f"d{n}": "s" if n < 20 else "other" for n in range(30)}


def test_a_prune_of_a_pipe_removes_what_another_run_writes_at_its_end(
    ordered: Ordered, database: Database[Any], beside_step: Callable[..., None]
) -> None:
    """For that nothing has to be read again."""
    Path("more.jsonl").write_text(json.dumps({"id": "more", "text": "More of it."}) + "\n")
    os.mkfifo("pipe.jsonl")
    text = json.dumps({"id": "d", "text": "A text."}) + "\n"
    feeding = threading.Thread(target=lambda: Path("pipe.jsonl").write_text(text))
    feeding.start()
    # Behind the prune, before the look at what others did.
    beside_step(Registration, "was_alone", lambda: ordered("more.jsonl", source="s"))

    reported = ordered("pipe.jsonl", source="s", prune=True)

    feeding.join()
    assert (reported["documents"], reported["pruned"]) == (1, 1)
    assert set(sources(database)) == {"d"}


def test_a_chunk_that_another_run_replaces_is_not_waited_for(
    database: Database[Any], target: Open, rejects: Rejects
) -> None:
    ends = threading.Event()

    def replace() -> None:
        while not ends.is_set():
            database["c"].update_one({"_id": "a#0"}, {"$set": {"hash": os.urandom(16)}})

    with closing(target()) as opened:
        ingest(documents("a"), opened, rejects=rejects)
        opened.wait_until_ready("a#0", seconds=60, on_status=lambda status: None)
        replacing = threading.Thread(target=replace)
        replacing.start()
        try:
            assert all(opened.collection._finds("a#0", seconds=2) for _ in range(10))
        finally:
            ends.set()
            replacing.join()
