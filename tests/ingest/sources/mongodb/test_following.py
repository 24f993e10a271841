"""Keeping up with a collection through its change stream."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database

from leafmongo import LocalDeployment
from leafsearch.ingest import Fields
from leafsearch.ingest.sources.mongodb.address import Address
from leafsearch.ingest.sources.mongodb.changes import Changes
from leafsearch.ingest.sources.mongodb.follow import follow
from leafsearch.ingest.sources.mongodb.position import POSITIONS, Position
from leafsearch.ingest.sources.mongodb.signals import Stop
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.vectors.store import RetryBudget, digest, encoded_digest
from leaftests.ingest.follower import CHUNKS, IN_PLACE, Started, following, wait_for
from leaftests.ingest.types import Keep, Run


@pytest.fixture
def follower(mongodb_uri: str, database: Database[Any]) -> Iterator[Started]:
    with following(mongodb_uri, database.name) as start:
        yield start


@pytest.fixture
def articles(database: Database[Any]) -> Collection[Any]:
    database["articles"].insert_many([{"_id": i, "body": f"text {i}"} for i in range(5)])
    return database["articles"]


def with_id(two_bytes: bytes) -> RawBSONDocument:
    """A document whose `_id` may be no text at all."""
    return RawBSONDocument(bson.encode({"_id": "QQ", "body": "text"}).replace(b"QQ", two_bytes))


def chunks(database: Database[Any]) -> dict[str, str]:
    return {c["document"]: c["text"] for c in database["chunks"].find()}


def hash_of(articles: Collection[Any], id: Any) -> bytes | None:
    found = articles.find_one({"_id": id, "embedding": {"$type": "binData"}}) or {}
    return found.get("leaf", {}).get("hash")


def test_chunks_follow_what_is_inserted_changed_replaced_and_deleted(
    follower: Started, database: Database[Any], articles: Collection[Any]
) -> None:
    articles.insert_one(with_id(b"\xa7b"))
    running = follower(*CHUNKS)
    running.wait_until_following()

    articles.insert_one(with_id(b"\xa7c"))
    articles.insert_one({"_id": "new", "body": "a new text", "year": 2020})
    articles.update_one({"_id": 0}, {"$set": {"body": "changed"}})
    articles.replace_one({"_id": 1}, {"body": "replaced"})
    articles.delete_one({"_id": 2})
    articles.update_one({"_id": 3}, {"$unset": {"body": ""}})

    wanted = {"0": "changed", "1": "replaced", "4": "text 4", "new": "a new text"}
    wait_for(lambda: chunks(database) == wanted)
    articles.update_one({"_id": "new"}, {"$set": {"year": 2021}})
    wait_for(lambda: database["chunks"].find_one({"metadata.year": 2021}))
    code, printed = running.end()
    summary = json.loads(printed)
    assert code == 3  # for the one that lost its text, and one whose _id is not UTF-8
    assert summary["removed"] == 2
    assert summary["rejected"] == 2
    assert summary["updated"] == 1
    assert summary["collection"] == f"{database.name}.chunks"


def test_a_change_is_written_without_a_wait_for_others(
    follower: Started, database: Database[Any], articles: Collection[Any]
) -> None:
    running = follower(*CHUNKS)
    running.wait_until_following()

    for i in range(5):
        articles.insert_one({"_id": f"n{i}", "body": f"number {i}"})
        wait_for(lambda i=i: database["chunks"].find_one({"document": f"n{i}"}))  # type: ignore[misc]

    assert running.end()[0] == 0


def test_vectors_in_place_follow_and_ignore_their_own_writes(
    follower: Started, articles: Collection[Any]
) -> None:
    running = follower(*IN_PLACE)
    running.wait_until_following()
    first = hash_of(articles, 0)

    articles.update_one({"_id": 0}, {"$set": {"body": "changed"}})
    articles.insert_one({"_id": "new", "body": "a new text"})
    articles.replace_one({"_id": 1}, {"body": "replaced"})
    articles.update_one({"_id": 2}, {"$set": {"body": 7}})
    articles.update_one({"_id": 3}, {"$set": {"other": 1}})
    articles.delete_one({"_id": 4})

    wait_for(lambda: hash_of(articles, 0) not in (None, first))
    wait_for(lambda: hash_of(articles, "new") and hash_of(articles, 1))
    wait_for(lambda: "leaf" not in (articles.find_one({"_id": 2}) or {}))
    time.sleep(1.5)  # in which what it wrote itself would come round again
    code, printed = running.end(signal.SIGTERM)
    summary = json.loads(printed)
    assert code == 3
    assert summary["encoded"] == 5 + 3
    assert summary["documents"] == 5 + 4
    assert articles.find_one({"_id": 4}) is None
    assert (articles.find_one({"_id": 2}) or {}) == {"_id": 2, "body": 7}


def _is_of_its_text(document: dict[str, Any]) -> bool:
    hash = document.get("leaf", {}).get("hash", b"")
    return encoded_digest(hash) == digest(document["body"].encode())


def test_nothing_that_changes_during_the_first_pass_is_missed(
    follower: Started, database: Database[Any], articles: Collection[Any]
) -> None:
    articles.insert_many([{"_id": f"a{i}", "body": f"word {i}"} for i in range(1000)])
    running = follower(*IN_PLACE)
    wait_for(lambda: hash_of(articles, 0))

    for i in range(0, 1000, 10):
        articles.update_one({"_id": f"a{i}"}, {"$set": {"body": f"other {i}"}})
        articles.insert_one({"_id": f"b{i}", "body": f"new {i}"})

    running.wait_until_following()
    wait_for(lambda: all(_is_of_its_text(document) for document in articles.find()))
    assert running.end()[0] == 0
    again = follower(*IN_PLACE)
    again.wait_until_following()
    assert json.loads(again.end()[1])["encoded"] == 0


def test_an_empty_collection_may_be_followed(follower: Started, database: Database[Any]) -> None:
    database.create_collection("articles")
    running = follower(*CHUNKS)
    running.wait_until_following()

    database["articles"].insert_one({"_id": 1, "body": "the first"})

    wait_for(lambda: chunks(database) == {"1": "the first"})
    assert running.end()[0] == 0


def test_documents_that_the_query_no_longer_finds_are_removed(
    follower: Started, database: Database[Any], articles: Collection[Any]
) -> None:
    articles.update_many({}, {"$set": {"public": True}})
    running = follower(*CHUNKS, "--filter-source", '{"public": true}')
    running.wait_until_following()

    articles.update_one({"_id": 0}, {"$set": {"public": False}})

    wait_for(lambda: set(chunks(database)) == {"1", "2", "3", "4"})
    articles.update_one({"_id": 0}, {"$set": {"public": True}})
    wait_for(lambda: "0" in chunks(database))
    assert running.end()[0] == 0


def test_documents_of_another_source_are_left_alone(
    follower: Started, database: Database[Any], articles: Collection[Any], leaf_ingest: Run
) -> None:
    """Two commands read a part of the collection each, and write into the same one."""
    articles.update_many({"_id": {"$lt": 2}}, {"$set": {"lang": "de"}})
    articles.update_many({"_id": {"$gte": 2}}, {"$set": {"lang": "en"}})
    german = follower(*CHUNKS, "--filter-source", '{"lang": "de"}', "--source", "de")
    german.wait_until_following()
    english = follower(*CHUNKS, "--filter-source", '{"lang": "en"}', "--source", "en")
    english.wait_until_following()

    articles.update_one({"_id": 0}, {"$inc": {"views": 1}})
    articles.update_one({"_id": 1}, {"$set": {"lang": "en"}})
    articles.update_one({"_id": 4}, {"$set": {"body": "the last change"}})

    wait_for(lambda: chunks(database).get("4") == "the last change")
    wait_for(lambda: database["chunks"].find_one({"document": "1", "source": "en"}))
    assert set(chunks(database)) == {"0", "1", "2", "3", "4"}
    assert german.end()[0] == english.end()[0] == 0
    assert set(chunks(database)) == {"0", "1", "2", "3", "4"}


def test_a_text_removed_while_the_follower_was_down_is_not_found(
    follower: Started, database: Database[Any], articles: Collection[Any]
) -> None:
    first = follower(*CHUNKS)
    first.wait_until_following()
    assert first.end()[0] == 0
    articles.update_one({"_id": 3}, {"$unset": {"body": ""}})

    second = follower(*CHUNKS)
    second.wait_until_following()

    assert set(chunks(database)) == {"0", "1", "2", "4"}
    assert second.end()[0] == 3


@pytest.mark.parametrize("way", ["drop", "rename"])
def test_a_source_that_is_dropped_or_renamed_ends_it_with_one_line(
    follower: Started, database: Database[Any], articles: Collection[Any], way: str
) -> None:
    running = follower(*CHUNKS)
    running.wait_until_following()

    articles.drop() if way == "drop" else articles.rename("elsewhere")

    wait_for(lambda: running.has_ended)
    assert running.end()[0] == 1
    (line,) = (line for line in running.said if "Ctrl-C" not in line)
    assert f"source {database.name}.articles: it ended while it was followed ({way})" in line
    assert len(chunks(database)) == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_also_during_the_first_pass(
    follower: Started, articles: Collection[Any], number: int
) -> None:
    articles.insert_many([{"body": f"word {i} " * 40} for i in range(20_000)])
    running = follower(*IN_PLACE)
    wait_for(lambda: hash_of(articles, 0))

    code, printed = running.end(number)

    assert code == 0
    summary = json.loads(printed)
    written = articles.count_documents({"leaf": {"$exists": True}})
    assert 0 < written < 20_005
    assert summary["encoded"] == written


def test_it_goes_on_after_mongod_was_killed(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="leaf-"))
    try:
        with LocalDeployment(folder / "home") as deployment:
            _kill_under_a_follower(deployment)
    finally:
        shutil.rmtree(folder)


def _kill_under_a_follower(deployment: LocalDeployment) -> None:
    name = f"leaf_test_{secrets.token_hex(6)}"
    with MongoClient[dict[str, Any]](deployment.uri) as client:
        database = client[name]
        database["articles"].insert_many([{"_id": i, "body": f"text {i}"} for i in range(5)])
        with following(deployment.uri, name) as start:
            running = start(*IN_PLACE)
            running.wait_until_following()
            for round in range(2):
                pid = deployment.status().mongod_pid
                assert pid is not None

                os.kill(pid, signal.SIGKILL)
                database["articles"].insert_one({"_id": f"n{round}", "body": f"new {round}"})
                database["articles"].update_one({"_id": 0}, {"$set": {"body": f"now {round}"}})

                wait_for(lambda r=round: hash_of(database["articles"], f"n{r}"))  # type: ignore[misc]
            wait_for(lambda: all(hash_of(database["articles"], i) for i in (0, "n0", "n1")))
            code, printed = running.end()
        assert code == 0, running.said
        assert json.loads(printed)["encoded"] >= 5 + 4 - 1


def source_of(database: Database[Any]) -> MongoSource:
    address = Address(database.name, "articles")
    return MongoSource(database.client, address, Fields("_id", "body", "title"))


def test_a_lost_history_reads_everything_again(
    keep: Keep, database: Database[Any], articles: Collection[Any]
) -> None:
    keeper = keep(in_place=True)
    source = source_of(database)
    changes, stop, said = Changes(source), Stop(), list[str]()
    changes.close()
    with articles.watch() as stream:
        articles.update_one({"_id": 1}, {"$set": {"body": "changed unseen"}})
        token = str(stream.next()["_id"]["_data"])
    before = hash_of(articles, 1)
    # At the first second that there was: a place in the history that the server has not.
    changes.token = {"_data": token[:2] + "00000001" + token[10:]}

    def end() -> None:
        try:
            wait_for(lambda: hash_of(articles, 1) != before)
        finally:
            stop.is_set = True

    ending = threading.Thread(target=end)
    ending.start()
    position = Position(database, "articles", source, keeper._target.manifest, RetryBudget())
    follow(source, keeper, changes, position, stop, on_status=lambda text: None, say=said.append)

    ending.join()
    assert hash_of(articles, 1) != before
    (line,) = said
    assert "has changed more than its history holds: rereading all of it" in line


def test_deletions_while_a_killed_follower_was_down_are_applied(
    follower: Started, database: Database[Any], articles: Collection[Any]
) -> None:
    first = follower(*CHUNKS)
    first.wait_until_following()
    first.kill()
    articles.delete_one({"_id": 1})
    articles.update_one({"_id": 2}, {"$set": {"body": "another text"}})
    articles.insert_one({"_id": "new", "body": "a new text"})

    second = follower(*CHUNKS)
    wait_for(lambda: "1" not in chunks(database))
    code, _ = second.end()

    assert code == 0
    assert chunks(database) == {
        "0": "text 0",
        "2": "another text",
        "3": "text 3",
        "4": "text 4",
        "new": "a new text",
    }


def forget_history(database: Database[Any]) -> None:
    """As if it had been followed up to an event of the first second that there was."""
    with database["articles"].watch() as stream:
        database["articles"].update_one({"_id": 0}, {"$set": {"seen": True}})
        data = stream.next()["_id"]["_data"]
    token = {"_data": data[:2] + "00000001" + data[10:]}
    assert database[POSITIONS].update_one({}, {"$set": {"token": token}}).matched_count == 1


def test_a_lost_history_removes_only_the_followers_own_documents(
    follower: Started, leaf_ingest: Run, database: Database[Any], articles: Collection[Any]
) -> None:
    Path("o.jsonl").write_text('{"id": "1", "text": "o"}\n{"id": "other", "text": "o"}\n')
    assert leaf_ingest("o.jsonl", "--wait", 0).returncode == 0
    first = follower(*CHUNKS)
    first.wait_until_following()
    assert first.end()[0] == 0
    forget_history(database)
    articles.delete_many({"_id": {"$in": [1, 2]}})

    second = follower(*CHUNKS)
    second.wait_until_following()

    wait_for(lambda: set(chunks(database)) == {"0", "3", "4", "other"})
    assert any("of it again and removing what is gone" in line for line in second.said)
    articles.delete_one({"_id": 3})
    wait_for(lambda: set(chunks(database)) == {"0", "4", "other"})
    second.end()


def test_a_lost_history_of_an_empty_source_removes_nothing(
    follower: Started, database: Database[Any], articles: Collection[Any]
) -> None:
    first = follower(*CHUNKS)
    first.wait_until_following()
    first.end()
    forget_history(database)
    articles.delete_many({})

    second = follower(*CHUNKS)
    wait_for(
        lambda: any("no usable documents; the stored documents of" in line for line in second.said)
    )
    second.end()

    assert len(chunks(database)) == 5


@pytest.mark.parametrize(("days", "left"), [(6, {"0", "1", "2", "3", "4"}), (8, {"3"})])
def test_two_that_share_a_source_name_remove_nothing_where_the_history_is_gone(
    follower: Started, database: Database[Any], articles: Collection[Any], days: int, left: set[str]
) -> None:
    """But one that nothing followed for a week is nothing that they share it with."""
    parts = [[*CHUNKS, "--filter-source", f'{{"_id": {{"{op}": 2}}}}'] for op in ("$gt", "$lte")]
    for part in parts:
        running = follower(*part)
        running.wait_until_following()
        running.end()
    articles.delete_one({"_id": 2})
    articles.delete_one({"_id": 4})
    ago = [{"$set": {"token": None, "at": {"$subtract": ["$at", days * 86_400_000]}}}]
    database[POSITIONS].update_many({}, ago)

    again = follower(*parts[0])
    again.wait_until_following()
    again.end()

    assert set(chunks(database)) == left
    other = (
        f"""so was mongodb:{database.name}.articles with --filter-source '{{"_id": {{"$lte": 2"""
    )
    assert any(other in line for line in again.said) == (days == 6)


def test_a_position_that_stays_the_same_is_renewed_so_that_it_counts_as_in_use(
    database: Database[Any], keep: Keep, articles: Collection[Any]
) -> None:
    manifest = keep(in_place=False)._target.manifest
    first, second = (
        Position(database, "c", source_of(database), manifest, RetryBudget()) for _ in range(2)
    )
    with closing(Changes(source_of(database))) as changes:
        first.save(changes.token)
    database[POSITIONS].update_one({}, [{"$set": {"at": {"$subtract": ["$at", 86_400_000]}}}])
    before = database[POSITIONS].find_one()

    second.read()
    second.save_in_time(second.token)
    second.save_in_time(second.token)

    after = database[POSITIONS].find_one()
    assert before is not None
    assert after is not None
    assert after["at"] > before["at"]
    assert after["token"] == before["token"]


def test_a_source_that_was_dropped_while_a_follower_was_away_is_followed_after_one_more_start(
    follower: Started, database: Database[Any], articles: Collection[Any]
) -> None:
    first = follower(*CHUNKS)
    first.wait_until_following()
    first.end()
    articles.drop()
    articles.insert_one({"_id": "new", "body": "a new text"})

    code, _ = follower(*CHUNKS).ended()
    again = follower(*CHUNKS)
    again.wait_until_following()
    again.end()

    assert code == 1
    assert chunks(database) == {"new": "a new text"}


def test_a_follower_ends_with_a_line_when_searches_have_moved(
    follower: Started, leaf_ingest: Run, database: Database[Any], articles: Collection[Any]
) -> None:
    """Started again, it goes on in the generation that searches use."""
    running = follower(*CHUNKS)
    running.wait_until_following()
    source = f"mongodb:{database.name}.articles"
    form = {"LEAF_TEACHER": "hashing:128", "LEAF_STUDENT": "hashing:128"}
    done = leaf_ingest(source, *CHUNKS, "--rebuild", **form)
    assert done.returncode == 0, done.stderr

    articles.insert_one({"_id": "new", "body": "a new text"})
    code, _ = running.ended()

    assert code == 1
    assert any("switched from generation 1 to 2 during this run" in line for line in running.said)
    assert database["chunks"].count_documents({"document": "new"}) == 0


def test_vectors_of_what_the_query_lost_while_the_history_was_gone_are_taken_out(
    follower: Started, database: Database[Any], articles: Collection[Any]
) -> None:
    part = [*IN_PLACE, "--filter-source", '{"lang": {"$ne": "de"}}']
    first = follower(*part)
    first.wait_until_following()
    first.end()
    assert hash_of(articles, 1)
    articles.update_one({"_id": 1}, {"$set": {"lang": "de"}})
    database[POSITIONS].update_one({}, {"$set": {"token": None}})

    second = follower(*part)
    second.wait_until_following()
    second.end()

    assert hash_of(articles, 1) is None
    assert hash_of(articles, 2)


def test_changes_come_once_for_each_document_as_it_is_then(database: Database[Any]) -> None:
    database.create_collection("articles")
    source = MongoSource(database.client, Address(database.name, "articles"), Fields(text="body"))
    changes = Changes(source)
    for i in range(30):
        database["articles"].update_one({"_id": i % 3}, {"$set": {"body": f"{i}"}}, upsert=True)
    database["articles"].delete_one({"_id": 1})

    batch = changes.batch()

    read = source.of_ids(batch.ids, batch.at)
    changes.close()
    assert batch.ids == [0, 1, 2]
    assert [getattr(record, "text", None) for record in read] == ["27", "29"]


def test_a_mongod_without_a_replica_set_cannot_be_followed_but_read(
    run: Run, mongodb_uri: str, database: Database[Any]
) -> None:
    with alone() as uri:
        with MongoClient[dict[str, Any]](uri) as client:
            client["shop"]["articles"].insert_one({"body": "a text"})
        source = uri.replace("/?", "/shop.articles?")
        environ = {
            "MONGODB_URI": mongodb_uri,
            "LEAF_DATABASE": database.name,
            "LEAF_TEACHER": "hashing:64",
            "LEAF_STUDENT": "hashing:64",
            "LEAF_STORAGE": "full",
        }

        read = run("leaf-ingest", source, *CHUNKS, **environ)
        followed = run("leaf-ingest", source, *CHUNKS, "--follow", **environ)

    assert (read.returncode, read.stderr) == (0, "")
    assert followed.returncode == 1
    assert "shop.articles: its MongoDB has no change streams" in followed.stderr
    assert len(followed.stderr.splitlines()) == 1


@contextmanager
def alone() -> Iterator[str]:
    """The URI of a mongod that is no replica set."""
    from leafmongo.deployment.mongod_binary import find_mongod

    folder = Path(tempfile.mkdtemp(prefix="leaf-"))
    socket = folder / "m.sock"
    process = subprocess.Popen(
        [str(find_mongod()), "--dbpath", str(folder), "--bind_ip", str(socket), "--nounixsocket"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(socket.exists)
        yield f"mongodb://{str(socket).replace('/', '%2F')}/?directConnection=true"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)
