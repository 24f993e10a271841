"""Followers beside runs that have read what has changed since, and write it after them."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from bson import Timestamp
from pymongo.collection import Collection
from pymongo.database import Database

from leafsearch.config import load
from leafsearch.ingest import Choices, Document, Rejected, Rejects, Target, open_target
from leafsearch.ingest.pipeline.extent import ALL
from leafsearch.ingest.sources.mongodb.address import Address
from leafsearch.ingest.sources.mongodb.changes import ChangeBatch, Changes
from leafsearch.ingest.sources.mongodb.signals import Stop
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.ingest.sources.mongodb.sync import SourceSync
from leafsearch.ingest.sources.readers import Records
from leafsearch.vectors.store.writers import WRITERS
from leaftests.ingest.follower import CHUNKS, following, wait_for
from leaftests.ingest.types import BODY

Meanwhile = Callable[[], None]


class SlowSource(MongoSource):
    """Once, something else happens between what is read and what is done with it."""

    meanwhile: Meanwhile | None = None

    def records(self) -> Records:
        read = list(super().records())
        self._wait()
        yield from read

    def of_ids(self, ids: Iterable[Any], at: Timestamp | None = None) -> list[Document | Rejected]:
        read = super().of_ids(ids, at)
        self._wait()
        return read

    def _wait(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()


Opened = Callable[..., tuple[SourceSync, SlowSource]]


@pytest.fixture
def articles(database: Database[Any]) -> Collection[Any]:
    database["articles"].insert_many([{"_id": i, "body": f"text {i}"} for i in range(5)])
    return database["articles"]


@pytest.fixture
def opened(database: Database[Any], tmp_path: Path) -> Iterator[Opened]:
    """What a run has, whose target is `chunks`; the run ends with the test, or by `close`."""
    with ExitStack() as stack:
        rejects = stack.enter_context(closing(Rejects(tmp_path / "rejects.jsonl")))

        def made(
            *, follows: bool, query: dict[str, Any] | None = None, name: str = ""
        ) -> tuple[SourceSync, SlowSource]:
            settings = load({}, teacher="hashing:64", student="hashing:64", storage="full")
            target = open_target(database, settings, Choices())
            stack.callback(target.close)
            source = SlowSource(database.client, Address(database.name, "articles"), BODY, query)
            source.source = name or source.source
            source.begin(target.manifest)
            keeper = SourceSync(
                source, target, rejects, lambda summary: None, Stop(), ALL, follows=follows
            )
            stack.callback(keeper.close)
            return keeper, source

        yield made


def passed(keeper: SourceSync) -> Target:
    keeper.whole()
    keeper._target.ensure_index()
    keeper.settle()
    return keeper._target


def texts(database: Database[Any]) -> dict[str, str]:
    return {chunk["document"]: chunk["text"] for chunk in database["chunks"].find()}


def test_a_stale_write_of_a_concurrent_run_is_corrected(
    mongodb_uri: str, database: Database[Any], articles: Collection[Any], opened: Opened
) -> None:
    """The run writes it when the follower has looked already; no other change comes after it."""
    wanted = {"0": "changed", "2": "text 2", "3": "text 3", "4": "text 4"}

    def change() -> None:
        articles.update_one({"_id": 0}, {"$set": {"body": "changed"}})
        articles.delete_one({"_id": 1})
        wait_for(lambda: texts(database) == wanted)
        time.sleep(1)  # for the follower's look at what it has written

    with following(mongodb_uri, database.name) as start:
        running = start(*CHUNKS)
        running.wait_until_following()
        keeper, source = opened(follows=False)
        source.meanwhile = change
        target = passed(keeper)
        assert texts(database) == {str(i): f"text {i}" for i in range(5)}
        target.close()

        wait_for(lambda: texts(database) == wanted)

        assert running.end()[0] == 0, running.said


def test_a_stale_write_of_an_earlier_run_is_corrected(
    database: Database[Any], articles: Collection[Any], opened: Opened
) -> None:
    """The first pass of the follower finds what has changed; no event will tell it."""
    keeper, source = opened(follows=False)
    follower, _ = opened(follows=True)

    def change() -> None:
        articles.update_one({"_id": 0}, {"$set": {"body": "changed"}})
        passed(follower)

    source.meanwhile = change
    passed(keeper).close()
    assert texts(database)["0"] == "text 0"

    follower.look_again()

    assert texts(database) == {"0": "changed", **{str(i): f"text {i}" for i in range(1, 5)}}


def test_a_document_that_moves_between_two_followers_is_lost_to_neither(
    database: Database[Any], articles: Collection[Any], opened: Opened
) -> None:
    """One has read it as its own before, and writes it, and removes it, after the other."""
    german, slow = opened(follows=True, query={"lang": "de"}, name="de")
    english, _ = opened(follows=True, query={"lang": "en"}, name="en")
    articles.update_many({}, {"$set": {"lang": "de"}})
    passed(german)
    passed(english)

    def move() -> None:
        articles.update_one({"_id": 0}, {"$set": {"lang": "en", "body": "English"}})
        english.apply(ChangeBatch([0], None))

    articles.update_one({"_id": 0}, {"$set": {"body": "other"}})
    slow.meanwhile = move
    german.apply(ChangeBatch([0], None))
    german.apply(ChangeBatch([0], None))
    assert "0" not in texts(database)

    english.look_again()

    assert texts(database)["0"] == "English"
    assert (database["chunks"].find_one({"document": "0"}) or {})["source"] == "en"


def test_documents_written_beside_a_run_are_checked_until_its_next_turn(
    database: Database[Any], articles: Collection[Any], opened: Opened
) -> None:
    follower, _ = opened(follows=True)
    beside, _ = opened(follows=True, name="other", query={"_id": -1})
    passed(follower)
    beside.whole()
    follower.apply(ChangeBatch([0], None))
    follower.look_again()
    assert follower._watched.is_any  # it may have read something and not written it yet

    beside.look_again()
    for _ in range(2):
        follower.look_again()
        beside.look_again()

    assert not follower._watched.is_any


def test_a_follower_that_is_alone_asks_the_server_nothing_while_nothing_changes(
    database: Database[Any], articles: Collection[Any], opened: Opened
) -> None:
    follower, source = opened(follows=True)
    passed(follower)
    with closing(Changes(source)) as changes:
        articles.update_one({"_id": 0}, {"$set": {"body": "changed"}})
        follower.apply(changes.batch())
    entries = list(database[WRITERS].find())

    follower.look_in_time()

    assert list(database[WRITERS].find()) == entries
    assert not follower._watched.is_any
