"""Makes the single mongod a replica set whose only address is that of the gateway."""

import time
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from leafmongo.deployment.paths import REPLICA_SET, Home, socket_uri
from leafmongo.errors import LocalError
from leafmongo.indexes.catalog import Client

_ALREADY_INITIALIZED, _NOT_YET_INITIALIZED = 23, 94


def connect(home: Home, *, by_key: bool = False) -> Client:
    """Connect behind the gateway for its own reads and writes, `by_key` if mongod wants a login."""
    return _connect(home, home.primary_socket, by_key)


def _connect(home: Home, socket: Path, by_key: bool) -> Client:
    login: dict[str, Any] = {}
    if by_key:
        login = {"username": "__system", "password": home.key_file.read_text()}
        login |= {"authSource": "local", "authMechanism": "SCRAM-SHA-256"}
    return MongoClient(
        socket_uri(socket),
        appname="leaf-gateway",
        readConcernLevel="majority",  # reads nothing that a crash could roll back
        datetime_conversion="DATETIME_AUTO",
        unicode_decode_error_handler="replace",
        serverSelectionTimeoutMS=10_000,
        connect=False,
        **login,
    )


def become_primary(home: Home, *, by_key: bool, seconds: float) -> None:
    """Initiate the replica set, or correct its address, and wait until it takes writes.

    The gateway has to listen already: mongod connects to itself there to recognise itself.
    """
    with _connect(home, home.mongod_socket, by_key) as client:
        _become_primary(client, str(home.gateway_socket), seconds)
    home.primary_socket.symlink_to(home.mongod_socket.name)


def _become_primary(client: Client, address: str, seconds: float) -> None:
    _initiate_once(client, address)
    deadline = time.monotonic() + seconds
    corrected = False
    while not client.admin.command("hello").get("isWritablePrimary"):
        if not corrected and _address(client) not in (None, address):
            _move(client, address)
            corrected = True
        if time.monotonic() > deadline:
            raise LocalError(f"mongod has not become primary after {seconds:.0f} s; see its log")
        time.sleep(0.02)


def _initiate_once(client: Client, address: str) -> None:
    config = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": address}]}
    try:
        client.admin.command("replSetGetStatus")
    except OperationFailure as error:
        if error.code == _NOT_YET_INITIALIZED:
            _try_initiate(client, config)


def _try_initiate(client: Client, config: dict[str, Any]) -> None:
    """Initiate; on a busy machine, an earlier attempt may have gone on after it timed out here."""
    try:
        client.admin.command("replSetInitiate", config)
    except OperationFailure as error:
        if error.code != _ALREADY_INITIALIZED:
            raise


def _address(client: Client) -> str | None:
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except PyMongoError:
        return None
    return str(config["members"][0]["host"])


def _move(client: Client, address: str) -> None:
    """Change the address, after the folder or its sockets have moved."""
    config = client.admin.command("replSetGetConfig")["config"]
    config["members"][0]["host"] = address
    config["version"] += 1
    client.admin.command("replSetReconfig", config, force=True)
