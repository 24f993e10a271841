"""Commands that are too large, too deep or not UTF-8 get an error and affect nothing else."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from pymongo.operations import SearchIndexModel

from leafmongo import LocalDeployment
from leafmongo.deployment.paths import Home, socket_uri
from leafmongo.indexes.catalog import Catalog
from leafmongo.proxy.wire import OP_MSG, write_message
from mongotests import in_process
from mongotests.raw import connected, message, reply
from mongotests.searching import Documents, create, definition, entry, model, stage, wait_for

Client = MongoClient[dict[str, Any]]
QUERY = [1.0, 0.0]
NOT_UTF8 = b"\xa7b\xa7b"


@pytest.fixture(scope="module")
def home(deployment: LocalDeployment) -> Home:
    return Home.at(Path(deployment.status().home))


@pytest.fixture
def some(documents: Documents) -> Documents:
    documents.insert_many([{"_id": n, "v": [1.0, n / 10], "n": n, "s": f"s{n}"} for n in range(5)])
    create(documents, definition(2, "dotProduct", "n", "s"))
    return documents


@pytest.fixture
def words(documents: Documents) -> Documents:
    documents.insert_many([{"_id": n, "n": n, "t": f"word{n} all"} for n in range(5)])
    mappings = {"fields": {"t": {"type": "string"}, "n": {"type": "number"}}}
    documents.create_search_index(SearchIndexModel({"mappings": mappings}))
    wait_for(lambda: entry(documents)["queryable"])
    return documents


def found(documents: Documents, *stages: dict[str, Any]) -> list[Any]:
    return [hit["_id"] for hit in documents.aggregate([*stages, {"$sort": {"_id": 1}}])]


def sent(at: Path, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a command in which QQQQ stands for bytes that are not UTF-8."""
    with connected(at) as stream:
        stream.sendall(write_message(body).replace(b"QQQQ", NOT_UTF8))
        answer: dict[str, Any] = bson.decode(
            message(stream)[21:], bson.CodecOptions(unicode_decode_error_handler="replace")
        )
        return answer


@pytest.mark.parametrize(
    "wanted",
    [
        {"n": {"$in": [*range(3, 40_000)]}},
        {"n": {"$in": [n + 0.5 for n in range(3, 40_000)]}},
        {"n": {"$in": [float(n) if n % 2 else n for n in range(3, 40_000)]}},
        {"s": {"$in": [f"s{n}" for n in range(3, 40_000)]}},
    ],
    ids=["integers", "halves", "mixed", "strings"],
)
def test_filter_with_many_values_finds_them(some: Documents, wanted: dict[str, Any]) -> None:
    assert found(some, stage(QUERY, filter=wanted)) == [3, 4]


def test_many_values_behind_a_search_reach_mongod(some: Documents) -> None:
    many = {"$match": {"n": {"$in": [*range(3, 120_000)]}, "x": {"$ne": [{"_id": 1, "a": [2]}]}}}

    assert found(some, stage(QUERY), many) == [3, 4]


def test_many_values_of_different_kinds_are_rejected(some: Documents) -> None:
    with pytest.raises(OperationFailure, match="elements of the same type"):
        found(some, stage(QUERY, filter={"n": {"$in": [*range(2000), "x"]}}))


def test_filter_has_at_most_1024_clauses(some: Documents) -> None:
    clauses = [{"n": n} for n in range(3, 1027)]

    assert found(some, stage(QUERY, filter={"$or": clauses})) == [3, 4]
    with pytest.raises(OperationFailure, match=r"too many clauses.*1024.*[$]in") as refused:
        found(some, stage(QUERY, filter={"$or": [*clauses[:-1], {"$and": [{"n": 1}, {"n": 2}]}]}))
    assert refused.value.code == 8
    with pytest.raises(OperationFailure, match="too many clauses"):
        found(some, stage(QUERY, filter={"$and": [{}] * 1025}))


def test_text_search_has_at_most_1024_clauses(words: Documents) -> None:
    clauses: list[Any] = [{"equals": {"path": "n", "value": n}} for n in range(3, 1027)]

    assert found(words, {"$search": {"compound": {"should": clauses}}}) == [3, 4]
    nested = [*clauses[:-1], {"compound": {"must": clauses[:2]}}]
    with pytest.raises(OperationFailure, match=r"too many clauses.*1024"):
        found(words, {"$search": {"compound": {"should": nested}}})
    with pytest.raises(OperationFailure, match="1025 queries at 1 paths; expected at most 1024"):
        found(words, {"$search": {"text": {"path": "t", "query": ["a"] * 1025}}})
    paths = {"path": [f"p{number}" for number in range(600)]}
    for operators in (
        [{"in": {**paths, "value": 1}}] * 2,
        [{"range": {**paths, "gt": 1}}] * 2,
        [{"text": {**paths, "query": "a"}}] * 2,
    ):
        with pytest.raises(OperationFailure, match=r"too many clauses.*1024"):
            found(words, {"$search": {"compound": {"should": operators}}})
    with pytest.raises(OperationFailure, match="has 200000 characters; expected at most 100000"):
        found(words, {"$search": {"text": {"path": "t", "query": "a " * 100_000}}})


def test_pipeline_has_at_most_a_thousand_stages(some: Documents) -> None:
    with pytest.raises(OperationFailure, match="no longer than 1000 stages") as searched:
        found(some, stage(QUERY), *[{"$skip": 0}] * 1000)
    with pytest.raises(OperationFailure, match="no longer than 1000 stages") as plain:
        found(some, *[{"$skip": 1}] * 1001)
    assert searched.value.code == plain.value.code


@pytest.mark.parametrize("levels", [120, 180, 400, 3000])
@pytest.mark.parametrize("place", ["filter", "behind", "compound"])
def test_nesting_too_deeply_gets_mongods_error(
    some: Documents, home: Home, levels: int, place: str
) -> None:
    deep = b"\x05\0\0\0\0"
    for _ in range(levels):
        inner = b"\x030\0" + deep
        array = struct.pack("<i", 5 + len(inner)) + inner + b"\0"
        deep = struct.pack("<i", 5 + 6 + len(array)) + b"\x04$and\0" + array + b"\0"
    nested = bson.raw_bson.RawBSONDocument(deep)
    pipelines: dict[str, list[dict[str, Any]]] = {
        "filter": [stage(QUERY, filter=nested)],
        "behind": [stage(QUERY), {"$set": {"x": nested}}],
        "compound": [{"$search": {"compound": nested}}],
    }
    body = {"aggregate": some.name, "cursor": {}, "$db": some.database.name}
    log = home.log / "gateway.log"
    before = log.stat().st_size

    answer = sent(home.gateway_socket, {**body, "pipeline": pipelines[place]})

    plain = sent(home.mongod_socket, {**body, "pipeline": [{"$match": nested}]})
    assert (answer["code"], answer["codeName"]) == (plain["code"], plain["codeName"])
    assert answer["errmsg"].startswith("BSONObj exceeds maximum nested object depth")
    assert "Traceback" not in log.read_text()[before:]


def test_filter_nested_up_to_mongods_limit_is_answered(some: Documents) -> None:
    deep: dict[str, Any] = {"n": {"$gte": 3}}
    for _ in range(95):
        deep = {"$and": [deep]}

    assert found(some, stage(QUERY, filter=deep)) == [3, 4]


def test_non_utf8_names_and_ids_do_not_stop_indexing(
    some: Documents, home: Home, client: Client
) -> None:
    database, at = some.database.name, home.gateway_socket
    log = home.log / "gateway.log"
    before = log.stat().st_size
    new = [{"_id": "QQQQ", "v": QUERY}, {"_id": {"of": "QQQQ"}, "v": QUERY}]
    assert sent(at, {"insert": "QQQQ", "documents": [{}], "$db": database})["ok"] == 1
    assert sent(at, {"insert": some.name, "documents": new, "$db": database})["ok"] == 1
    some.insert_one({"_id": "\ufffdb\ufffdb", "v": [1.0, 0.5]})

    some.database.create_collection("other").drop()  # the gateway reads all names again
    create(some, definition(2), "second")  # and reads all ids

    real = [*range(5), "\ufffdb\ufffdb"]
    assert found(some, stage(QUERY)) == found(some, stage(QUERY, index="second")) == real
    records = [each for each in Catalog(client).load() if each.database == database]
    assert {each.name for each in records} == {"default", "second"}
    said = log.read_text()[before:]
    assert "skipped 2 documents whose _id is not UTF-8" in said
    assert "built again" not in said
    assert "Traceback" not in said


def test_search_with_a_non_utf8_string_is_rejected(some: Documents, home: Home) -> None:
    body = {"aggregate": some.name, "cursor": {}, "$db": some.database.name}
    behind = {"$match": {"s": "QQQQ"}}

    searched = sent(home.gateway_socket, {**body, "pipeline": [stage(QUERY), behind]})
    plain = sent(home.gateway_socket, {**body, "pipeline": [behind, {"$match": {"s": "$search"}}]})

    assert (searched["code"], searched["codeName"]) == (22, "InvalidBSON")
    assert plain["ok"] == 1


def test_search_waits_for_a_write_with_leading_documents(some: Documents, home: Home) -> None:
    with connected(home.gateway_socket) as stream:
        for number in range(20):
            document = bson.encode({"_id": 100 + number, "v": QUERY})
            sequence = struct.pack("<i", 14 + len(document)) + b"documents\0" + document
            body = bson.encode({"insert": some.name, "$db": some.database.name})
            sections = b"\x01" + sequence + b"\x00" + body
            head = struct.pack("<iiiiI", 20 + len(sections), 1, 0, OP_MSG, 0)
            stream.sendall(head + sections)
            assert reply(stream)["n"] == 1

            assert 100 + number in found(some, stage(QUERY, limit=100))


def test_mongod_accepts_a_clock_set_back_by_years(client: Client) -> None:
    """Otherwise it would refuse every client that has seen a later time."""
    name = "maxAcceptableLogicalClockDriftSecs"

    assert client.admin.command("getParameter", **{name: 1})[name] > 50 * 365 * 86400


@pytest.fixture
def unfollowed(home: Home, folder: Path, documents: Documents) -> Iterator[Documents]:
    """A collection behind a gateway without a change stream."""
    at = folder / "gateway.sock"
    with in_process.gateway(home.mongod_socket, at), Client(socket_uri(at)) as client:
        yield client[documents.database.name][documents.name]


def spec(name: str, dimensions: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "vectorSearch", "definition": {**definition(dimensions), **more}}


@pytest.mark.parametrize(
    ("specs", "more"),
    [
        ([spec(f"i{number}", 2, note="x" * 60_000) for number in range(20)], {}),
        ([spec("i", 2)], {"comment": "x" * 2**20}),
    ],
    ids=["many definitions", "a long comment"],
)
def test_command_above_a_mebibyte_keeps_the_definitions_that_it_makes(
    unfollowed: Documents, specs: list[dict[str, Any]], more: dict[str, Any]
) -> None:
    command = {"createSearchIndexes": unfollowed.name, "indexes": specs, **more}

    unfollowed.database.command(command)

    listed = {one["name"]: one["latestDefinition"] for one in unfollowed.list_search_indexes()}
    assert listed == {each["name"]: each["definition"] for each in specs}
    assert unfollowed.database.command(command)["ok"] == 1  # both definitions are equal


def test_command_above_a_mebibyte_keeps_the_definition_that_it_updates(
    unfollowed: Documents,
) -> None:
    unfollowed.create_search_index(model(definition(2)))

    update = {"name": "default", "definition": definition(3), "comment": "x" * 2**20}
    unfollowed.database.command({"updateSearchIndex": unfollowed.name, **update})

    assert entry(unfollowed)["latestDefinition"] == definition(3)


def test_index_of_a_large_command_can_be_built_again(documents: Documents, home: Home) -> None:
    log = home.log / "gateway.log"
    before = log.stat().st_size
    documents.insert_one({"_id": 1, "v": QUERY})
    create = {"indexes": [spec("default", 2)], "comment": "x" * 2**20}
    documents.database.command({"createSearchIndexes": documents.name, **create})
    wait_for(lambda: entry(documents)["queryable"])

    renamed = documents.database["renamed"]
    documents.rename("renamed")

    wait_for(lambda: found(renamed, stage(QUERY)) == [1])
    assert "Traceback" not in log.read_text()[before:]
