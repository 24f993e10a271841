"""Faults of the deployment: reaching it, its search, the rights of its user."""

import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pymongo import MongoClient

from leafmongo import LocalError
from leafmongo.deployment.mongod_binary import find_mongod
from leafsearch.config import load
from leafsearch.doctor import Examination, Finding, Severity, examine
from leafsearch.doctor.checks.deployment import judge_tls, judge_version
from leaftests.doctor import Examined, Ingested, complaints, float32, make_index
from mongotests.folders import short_folder
from mongotests.upstreams import gateway, replica_set

LOGIN = {"username": "root", "password": "p@ss:w/rd", "authSource": "admin"}


def test_a_server_that_does_not_answer(examined: Examined) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    findings = examined(f"mongodb://u:secret@127.0.0.1:{port}/?serverSelectionTimeoutMS=300")

    connection, *others = findings.values()
    assert connection.level is Severity.PROBLEM
    assert "does not answer" in connection.message
    assert {finding.level for finding in others} == {Severity.SKIPPED}
    assert all("not checked, because of" in finding.message for finding in others)
    assert "secret" not in str(findings)


def test_a_mongodb_without_search(
    ingested: Ingested, examined: Examined, plain_mongod: str
) -> None:
    ingested()

    findings = examined(plain_mongod)

    assert findings["search"].level is Severity.PROBLEM
    assert "no vector search" in findings["search"].message
    assert findings["index"].level is Severity.SKIPPED
    assert "`search` above" in findings["index"].message
    # What needs no search is looked at all the same.
    assert findings["vector values"].level is Severity.OK
    assert findings["student"].level is Severity.OK


@pytest.fixture(scope="module")
def with_users() -> Iterator[str]:
    """A gateway in front of a MongoDB that asks for passwords; collection d.c is a healthy one."""
    try:
        find_mongod()
    except LocalError as error:
        pytest.skip(f"needs a mongod: {error}")
    with (
        short_folder() as folder,
        replica_set(folder) as upstream,
        gateway(folder / "g", upstream.uri("indexer")) as uri,
        MongoClient[dict[str, Any]](uri, **LOGIN) as client,
    ):
        rows = np.random.default_rng(1).standard_normal((60, 8))
        documents = [{"_id": i, "v": float32(row)} for i, row in enumerate(rows)]
        client["d"]["c"].insert_many(documents)
        field = {"type": "vector", "path": "v", "numDimensions": 8, "similarity": "cosine"}
        make_index(client["d"]["c"], "i", field)
        _user(client, "finder", [{"resource": {"db": "d", "collection": ""}, "actions": ["find"]}])
        _user(client, "nobody", [])
        yield uri


def _user(client: MongoClient[dict[str, Any]], name: str, privileges: list[Any]) -> None:
    client.admin.command("createRole", name, privileges=privileges, roles=[])
    client.admin.command("createUser", name, pwd=LOGIN["password"], roles=[name])


def _examined(uri: str, user: str, password: str = "p%40ss%3Aw%2Frd") -> dict[str, Finding]:
    own = uri.replace("mongodb://", f"mongodb://{user}:{password}@")
    order = Examination(
        uri=f"{own}&authSource=admin", settings=load({}, database="d", collection="c"), path="v"
    )
    return {finding.check: finding for finding in examine(order)}


def test_a_wrong_password(with_users: str) -> None:
    findings = _examined(with_users, "reader", "wr0ng")

    assert findings["connection"].level is Severity.PROBLEM
    assert "rejected the user name or password" in findings["connection"].message
    assert "wr0ng" not in str(findings)


def test_a_reader_may_look_at_all_but_the_machine(with_users: str) -> None:
    findings = _examined(with_users, "reader")

    names = ("manifest", "texts", "teacher", "vocabulary", "student", "memory")
    skipped = dict.fromkeys(names, Severity.SKIPPED)
    assert complaints(findings) == skipped
    assert "may not run hostInfo" in findings["memory"].message
    assert findings["memory"].numbers["needed_bytes"] > 0


def test_a_user_who_may_not_list_indexes_is_reported_and_the_rest_goes_on(with_users: str) -> None:
    findings = _examined(with_users, "finder")

    assert findings["search"].level is Severity.SKIPPED
    assert "may not do this" in findings["search"].message
    assert "execute command listIndexes; it needs the role read" in findings["search"].message
    assert findings["index"].level is Severity.SKIPPED
    assert findings["vector values"].level is Severity.OK


def test_an_address_without_a_login_is_said_to_have_none(with_users: str) -> None:
    order = Examination(uri=with_users, settings=load({}, database="d", collection="c"), path="v")

    found = {finding.check: finding for finding in examine(order)}

    assert "MONGODB_URI (--uri) has no user name and password" in found["search"].message
    assert "readWrite" not in str(found)


def test_a_user_who_may_read_nothing_is_a_problem(with_users: str) -> None:
    findings = _examined(with_users, "nobody")

    assert findings["collection"].level is Severity.PROBLEM


@pytest.mark.parametrize("version", ["5.0.14", "4.4.29"])
def test_a_server_that_is_too_old(version: str) -> None:
    assert judge_version(version).level is Severity.PROBLEM


@pytest.mark.parametrize("version", ["6.0.5", "7.0.14", "8.2.0-rc1", "10.0.0"])
def test_a_server_that_is_new_enough(version: str) -> None:
    assert judge_version(version).level is Severity.OK


@pytest.mark.parametrize(
    ("uri", "host", "expected"),
    [
        ("mongodb://db.example/", "db.example:27017", Severity.WARNING),
        ("mongodb://db.example/?ssl=false", "db.example:27017", Severity.WARNING),
        ("mongodb://10.0.0.7/?tls=true&tlsInsecure=true", "10.0.0.7:27017", Severity.WARNING),
        ("mongodb://db.example/?tls=true", "db.example:27017", Severity.OK),
        ("mongodb+srv://u:p@c.example/?retryWrites=true", "a.c.example:27017", Severity.OK),
        ("mongodb+srv://c.example/?tls=false", "a.c.example:27017", Severity.WARNING),
        ("mongodb://u:p[ss@db.example/", "db.example:27017", Severity.WARNING),
        ("mongodb://u:p#ss@db.example/?tls=true", "db.example:27017", Severity.OK),
        ("mongodb://db.example/?SSL=true;retryWrites=true", "db.example:27017", Severity.OK),
        ("mongodb://localhost/", "localhost:27017", Severity.OK),
        ("mongodb://127.0.0.1:1/", "127.0.0.1:1", Severity.OK),
        ("mongodb://[::1]/", "::1:27017", Severity.OK),
        ("mongodb://%2Ftmp%2Fs.sock/", "/tmp/s.sock", Severity.OK),
    ],
)
def test_tls_is_missed_where_the_server_is_elsewhere(
    uri: str, host: str, expected: Severity
) -> None:
    assert judge_tls(uri, [host]).level is expected
