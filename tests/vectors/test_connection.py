"""Addresses that the driver cannot read: one line, and never the password."""

import asyncio

import pytest

from vectors import DeploymentError, connect, connect_async


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
def test_an_address_that_cannot_be_read_is_told_without_its_password(
    uri: str, expected: str
) -> None:
    for connecting in (connect, lambda uri: asyncio.run(connect_async(uri))):
        with pytest.raises(DeploymentError, match=r"MONGODB_URI .* cannot be used") as caught:
            connecting(uri)
        assert expected in str(caught.value)
        assert "s3c" not in str(caught.value)
        assert "ret@" not in str(caught.value)
