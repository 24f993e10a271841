"""Addresses that the driver cannot read: one line, and never the password."""

import asyncio
import logging
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from leafmongo.proxy.wire import write_message
from leafsearch.vectors import DeploymentError, connect, connect_async, list_collection_types
from mongotests.raw import connected, message


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("mongodb+srv://user:s3c/ret@host", "expected user name and password percent-encoded"),
        ("mongodb+srv://user:s3c/ret@host/", "expected user name and password percent-encoded"),
        ("mongodb+srv://user:s3c?ret@host/", "expected user name and password percent-encoded"),
        ("mongodb+srv://user:s3c@ret@host/", "must be escaped according to RFC 3986"),
        ("mongodb+srv://user:s3cret@a.example.net:99999/", "Port must be an integer"),
    ],
)
def test_an_invalid_uri_is_reported_without_its_password(uri: str, expected: str) -> None:
    for connecting in (connect, lambda uri: asyncio.run(connect_async(uri))):
        with pytest.raises(DeploymentError, match=r"MONGODB_URI .* cannot be used") as caught:
            connecting(uri)
        assert expected in str(caught.value)
        assert "s3c" not in str(caught.value)
        assert "ret@" not in str(caught.value)


def test_a_silent_server_is_named_at_once_and_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(DeploymentError, match=f"does not answer: 127.0.0.1:{port}: "):
        connect(f"mongodb://u:s3cret@127.0.0.1:{port}/")

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"127.0.0.1:{port}" in record.getMessage()
    assert "waiting up to 3 s" in record.getMessage()


def test_a_timeout_in_the_uri_is_kept_without_a_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(DeploymentError, match="does not answer"):
        connect("mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100")

    assert caplog.records == []


def test_dates_know_that_they_are_in_utc(database: Database[Any], mongodb_uri: str) -> None:
    at = datetime(2023, 5, 1, 12, tzinfo=UTC)
    database["c"].insert_one({"at": at})

    with connect(mongodb_uri) as client:
        assert client[database.name]["c"].find_one({}, {"_id": 0}) == {"at": at}
    separator = "&" if "?" in mongodb_uri else "/?"
    with connect(f"{mongodb_uri}{separator}tz_aware=false") as client:
        naive = at.replace(tzinfo=None)
        assert client[database.name]["c"].find_one({}, {"_id": 0}) == {"at": naive}


def test_names_that_are_not_utf8_do_not_hide_the_others(database: Database[Any]) -> None:
    """The driver sends none, so the bytes are put into a message by hand."""
    path = database.client.address
    if path is None or path[1] is not None:
        pytest.skip("needs the socket of the local deployment")
    insert = write_message({"insert": "QQQQ", "documents": [{}], "$db": database.name})
    with connected(Path(path[0])) as stream:
        stream.sendall(insert.replace(b"QQQQ", b"\xa7b\xa7b"))
        message(stream)
    database["other"].insert_one({})

    kinds = list_collection_types(database)

    assert kinds == {"other": "collection", "\ufffdb\ufffdb": "collection"}
