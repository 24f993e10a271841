"""Replica sets as other people run them: on ports, with users, with TLS."""

import base64
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from leafmongo.deployment.mongod_binary import find_mongod
from mongotests.paths import ROOT
from mongotests.searching import wait_for

Client = MongoClient[dict[str, Any]]
USERS = {
    "root": [{"role": "root", "db": "admin"}],
    "indexer": [
        {"role": "readAnyDatabase", "db": "admin"},
        {"role": "readWrite", "db": "__leaf_search"},
    ],
    "writer": [{"role": "readWrite", "db": "d"}],
    "reader": [{"role": "read", "db": "d"}],
}
PASSWORD = "p@ss:w/rd"
_ESCAPED = "p%40ss%3Aw%2Frd"
_NODE_NOT_FOUND = 74


class Member:
    """One mongod on a port of its own."""

    def __init__(self, folder: Path, options: Sequence[object]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._folder = folder
        self._options = options
        folder.mkdir()
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                find_mongod(),
                *("--dbpath", self._folder, "--logpath", self._folder / "log"),
                *("--bind_ip", "127.0.0.1", "--port", str(self.port), "--nounixsocket"),
                *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"),
                *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
                *self._options,
            ],
            stdout=subprocess.DEVNULL,
        )

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)


@dataclass(frozen=True)
class ReplicaSet:
    members: Sequence[Member]
    options: str  # of every URI: TLS

    def uri(self, user: str | None = "root", password: str = _ESCAPED) -> str:
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self.members)
        login = f"{user}:{password}@" if user else ""
        return f"mongodb://{login}{hosts}/?{self.options}"

    def primary(self) -> Member:
        with Client(self.uri(), replicaSet="rs") as client:
            client.admin.command("ping")
            assert client.primary is not None
            port = client.primary[1]
        return next(member for member in self.members if member.port == port)


@contextmanager
def replica_set(
    folder: Path,
    *,
    members: int = 1,
    options: Sequence[object] = (),
    uri_options: str = "authSource=admin",
) -> Iterator[ReplicaSet]:
    """Run an initiated replica set that has the users above and requires logins."""
    key = folder / "key"
    key.write_text(base64.b64encode(secrets.token_bytes(48)).decode())
    key.chmod(0o600)
    common = ["--replSet", "rs", "--keyFile", key, *options]
    with ExitStack() as ending:
        started = []
        for number in range(members):
            started.append(Member(folder / f"m{number}", common))
            ending.callback(started[-1].kill)
        made = ReplicaSet(started, uri_options)
        _initiate(made)
        yield made


def _initiate(made: ReplicaSet) -> None:
    hosts = [
        {"_id": number, "host": f"127.0.0.1:{member.port}", "priority": 2 if number == 0 else 1}
        for number, member in enumerate(made.members)
    ]
    config = {
        "_id": "rs",
        "members": hosts,
        "settings": {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500},
    }
    uris = [
        f"mongodb://127.0.0.1:{member.port}/?directConnection=true&{made.options}"
        for member in made.members
    ]
    for uri in uris:
        with Client(uri) as client:
            wait_for(lambda client=client: _answers(client))
    with Client(uris[0]) as client:
        wait_for(lambda: _initiated(client, config))
        wait_for(lambda: client.admin.command("hello")["isWritablePrimary"])
        client.admin.command("createUser", "root", pwd=PASSWORD, roles=USERS["root"])
    with Client(made.uri(), replicaSet="rs") as client:
        for name, roles in USERS.items():
            if name != "root":
                client.admin.command("createUser", name, pwd=PASSWORD, roles=roles)


def _initiated(client: Client, config: dict[str, Any]) -> bool:
    """False while the members are too busy to answer each other."""
    try:
        client.admin.command("replSetInitiate", config)
    except OperationFailure as error:
        if error.code != _NODE_NOT_FOUND:
            raise
        return False
    return True


@contextmanager
def alone(folder: Path, *options: object) -> Iterator[int]:
    """The port of a mongod without a replica set, or with an uninitiated one."""
    member = Member(folder / "alone", options)
    with Client(f"mongodb://127.0.0.1:{member.port}/?directConnection=true") as client:
        wait_for(lambda: _answers(client))
    try:
        yield member.port
    finally:
        member.kill()


def _answers(client: Client) -> bool:
    try:
        return bool(client.admin.command("hello")["ok"])
    except PyMongoError:
        return False


def gateway_command(home: Path, *arguments: object) -> list[object]:
    return [sys.executable, "-m", "leafmongo", "gateway", "--home", home, *arguments]


@contextmanager
def gateway(home: Path, upstream: str, *arguments: object) -> Iterator[str]:
    """Run `leaf-mongo gateway` and yield the URI it prints; assert a clean end."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LEAF_UPSTREAM": upstream}
    with subprocess.Popen(
        gateway_command(home, *arguments),
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        try:
            uri = process.stdout.readline().strip()
            assert uri, "the gateway did not start"
            yield uri
        finally:
            process.terminate()
            status = process.wait(30)
    assert status == 0


def authority(folder: Path) -> Path:
    """Create an authority's certificate, with `server.pem` and `client.pem` signed by it."""
    _openssl(
        folder,
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
    )
    for name in ("server", "client"):
        _openssl(
            folder,
            f"req -newkey rsa:2048 -nodes -subj /O={name}/CN={name} -keyout {name}.key "
            f"-out {name}.csr",
        )
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
        _openssl(
            folder,
            f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
            f"-extfile names -out {name}.crt",
        )
        pair = (folder / f"{name}.crt").read_text() + (folder / f"{name}.key").read_text()
        (folder / f"{name}.pem").write_text(pair)
    return folder / "ca.pem"


def _openssl(folder: Path, command: str) -> None:
    subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
