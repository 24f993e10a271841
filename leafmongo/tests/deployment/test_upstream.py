"""Upstreams that change or cannot be used: elections, TLS, refusals."""

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, PyMongoError

from leafmongo import LocalError
from leafmongo.deployment.upstream import Upstream, server_problem
from leafmongo.proxy.discovery import only_host
from mongotests.folders import short_folder
from mongotests.searching import Documents, create, definition, stage, wait_for
from mongotests.upstreams import (
    PASSWORD,
    ROOT,
    ReplicaSet,
    alone,
    authority,
    gateway,
    gateway_command,
    replica_set,
)

Client = MongoClient[dict[str, Any]]
LOGIN = {"username": "writer", "password": PASSWORD, "authSource": "admin"}
SEARCH = stage([1.0, 0.0], limit=1000, exact=True)


def found(documents: Documents) -> set[Any]:
    return {hit["_id"] for hit in documents.aggregate([SEARCH])}


class Writing(threading.Thread):
    """Inserts one document after the other; `acknowledged` ones must exist."""

    def __init__(self, documents: Documents) -> None:
        super().__init__()
        self._documents = documents
        self.acknowledged: list[int] = []
        self.going = True
        self.start()

    def run(self) -> None:
        number = 0
        while self.going:
            number += 1
            try:
                self._documents.insert_one({"_id": number, "v": [1.0, number / 1000]})
            except PyMongoError:
                continue
            self.acknowledged.append(number)
            time.sleep(0.005)

    def has_written(self, more: int) -> None:
        wanted = len(self.acknowledged) + more
        wait_for(lambda: len(self.acknowledged) >= wanted)

    def end(self) -> None:
        self.going = False
        self.join()


@pytest.mark.long
def test_gateway_follows_the_primary(folder: Path) -> None:
    with (
        replica_set(folder, members=3) as upstream,
        gateway(folder / "g", upstream.uri("indexer")) as uri,
        Client(uri, w="majority", **LOGIN) as client,
    ):
        documents: Documents = client["d"]["c"]
        documents.insert_one({"_id": 0, "v": [1.0, 0.0]})
        create(documents, definition(2))
        writing = Writing(documents)
        try:
            writing.has_written(50)
            with Client(upstream.uri(), replicaSet="rs") as behind:
                behind.admin.command({"replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 5})
            writing.has_written(50)
            upstream.primary().kill()
            writing.has_written(50)
        finally:
            writing.end()

        assert found(documents) >= {0, *writing.acknowledged}
        assert client.admin.command("hello")["isWritablePrimary"]


@pytest.mark.long
def test_gateway_waits_for_a_restart_of_the_only_member(folder: Path) -> None:
    with (
        replica_set(folder) as upstream,
        gateway(folder / "g", upstream.uri("indexer")) as uri,
        Client(uri, **LOGIN) as client,
    ):
        documents: Documents = client["d"]["c"]
        documents.insert_one({"_id": 0, "v": [1.0, 0.0]})
        create(documents, definition(2))
        for _ in range(2):
            upstream.members[0].end()
            upstream.members[0].start()
            documents.insert_one({"v": [1.0, 0.0]})

        assert len(found(documents)) == 3


@pytest.fixture(scope="module")
def with_tls() -> Iterator[tuple[ReplicaSet, Path]]:
    """A replica set that requires client certificates; that of `client.pem` has all rights."""
    with short_folder() as folder:
        ca = authority(folder)
        tls = ["--tlsMode", "requireTLS", "--tlsCAFile", ca]
        tls += ["--tlsCertificateKeyFile", folder / "server.pem"]
        uri = f"authSource=admin&tls=true&tlsCAFile={ca}"
        uri += f"&tlsCertificateKeyFile={folder / 'client.pem'}"
        with replica_set(folder, options=map(str, tls), uri_options=uri) as made:
            with Client(made.uri()) as client:
                roles = [{"role": "root", "db": "admin"}]
                client["$external"].command("createUser", "CN=client,O=client", roles=roles)
            yield made, folder


def test_tls_towards_the_upstream(with_tls: tuple[ReplicaSet, Path], folder: Path) -> None:
    upstream, _ = with_tls
    with (
        gateway(folder / "g", upstream.uri("indexer"), "--port", "0") as uri,
        Client(uri, **LOGIN) as client,
    ):
        documents: Documents = client["d"]["c"]
        documents.insert_many([{"_id": n, "v": [1.0, n], "b": bytes(2**20)} for n in range(30)])
        create(documents, definition(2))

        assert found(documents) == set(range(30))


def test_login_by_the_gateways_certificate_is_rejected(
    with_tls: tuple[ReplicaSet, Path], folder: Path
) -> None:
    upstream, certificates = with_tls
    x509 = f"tlsCertificateKeyFile={certificates / 'client.pem'}"
    direct = upstream.uri(user=None).replace("authSource=admin&", "")
    with Client(direct, authMechanism="MONGODB-X509") as client:
        assert client.d.command("ping")["ok"], f"{x509} is a login"

    with gateway(folder / "g", upstream.uri("indexer")) as uri:
        login = {"authenticate": 1, "mechanism": "MONGODB-X509", "$db": "$external"}
        handshake = {"hello": 1, "speculativeAuthenticate": login}
        with Client(uri, retryReads=False) as client:
            for attempt in (login, handshake):
                external = {key: value for key, value in attempt.items() if key != "$db"}
                with pytest.raises(ConnectionFailure):
                    client["$external"].command(external)


def refusal(upstream: str, home: Path, *arguments: object) -> str:
    """The one line of a gateway that does not start, always without the password."""
    done = subprocess.run(
        gateway_command(home, "--upstream", upstream, *arguments),
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "p%40ss" not in line
    assert PASSWORD not in line
    return line


def test_mongod_without_replica_set_is_rejected(folder: Path) -> None:
    with alone(folder) as port:
        assert "--replSet" in refusal(f"mongodb://127.0.0.1:{port}/", folder / "g")


@pytest.mark.long
def test_port_without_upstream_passwords_is_rejected(folder: Path) -> None:
    with alone(folder, "--replSet", "rs") as port:
        uri = f"mongodb://127.0.0.1:{port}/?directConnection=true"
        with Client(uri) as client:
            client.admin.command("replSetInitiate", {"_id": "rs", "members": [member(port)]})
            wait_for(lambda: client.admin.command("hello")["isWritablePrimary"])

        assert "requires no password" in refusal(uri, folder / "g", "--port", "0")
        with gateway(folder / "g", uri) as socket, Client(socket) as client:
            client.d.c.insert_one({"_id": 1, "v": [1.0, 0.0]})
            create(client.d.c, definition(2))
            assert found(client.d.c) == {1}


def member(port: int) -> dict[str, Any]:
    return {"_id": 0, "host": f"127.0.0.1:{port}"}


@pytest.mark.long
def test_unusable_upstream_is_reported_in_one_line(
    folder: Path, with_tls: tuple[ReplicaSet, Path]
) -> None:
    upstream, certificates = with_tls
    home = folder / "g"
    wrong = upstream.uri("indexer", password="wrong")
    no_authority = upstream.uri("indexer").replace(
        f"tlsCAFile={certificates / 'ca.pem'}", "tlsDisableOCSPEndpointCheck=true"
    )

    assert "rejects the user 'indexer'" in refusal(wrong, home)
    assert "readAnyDatabase" in refusal(upstream.uri("reader"), home)
    assert "a URI without a user" in refusal(upstream.uri(user=None), home)
    assert "'http://" not in refusal("http://somewhere", home)
    assert "%40" in refusal(f"mongodb://u:{PASSWORD}@127.0.0.1/", home)
    assert "No such file" in refusal("mongodb://h/?tls=true&tlsCAFile=/nothing/here", home)
    assert "CERTIFICATE_VERIFY_FAILED" in quickly(no_authority)
    assert "refused" in quickly("mongodb://u:p%40ss@127.0.0.1:1/")
    assert "none of its hosts" in quickly(upstream.uri("indexer") + "&replicaSet=other")
    with alone(folder, "--replSet", "rs") as port:
        assert "rs.initiate()" in quickly(f"mongodb://127.0.0.1:{port}/")


def quickly(uri: str) -> str:
    """The message of the check, with a short time limit."""
    upstream = Upstream(uri, selection_ms=500)
    with pytest.raises(LocalError) as error:
        upstream.check()
    upstream.client.close()
    return str(error.value)


def test_second_gateway_in_a_folder_is_rejected(
    with_tls: tuple[ReplicaSet, Path], folder: Path
) -> None:
    upstream, _ = with_tls
    with gateway(folder / "g", upstream.uri("indexer")):
        assert "another process" in refusal(upstream.uri("indexer"), folder / "g")


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        ({"setName": "rs", "maxWireVersion": 17}, None),
        ({"setName": "rs", "maxWireVersion": 25}, None),
        ({"setName": "rs", "maxWireVersion": 13}, "older than MongoDB 6.0"),
        ({"maxWireVersion": 17}, "--replSet"),
        ({"msg": "isdbgrid", "maxWireVersion": 17}, "sharded"),
    ],
)
def test_which_servers_can_be_an_upstream(hello: dict[str, Any], reason: str | None) -> None:
    problem = server_problem(hello)

    assert problem is None if reason is None else reason in str(problem)


def test_secondary_names_no_primary() -> None:
    members = {"hosts": ["a:1", "b:1"], "passives": ["c:1"], "me": "b:1", "primary": "a:1"}
    reply = {"isWritablePrimary": False, "secondary": True, "setName": "rs", **members}

    assert only_host(reply, "here") == {
        "isWritablePrimary": False,
        "secondary": True,
        "setName": "rs",
        "hosts": ["here"],
        "me": "here",
    }
