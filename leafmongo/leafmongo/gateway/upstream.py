"""Someone else's replica set: its URI, whether it will do, and streams to its primary."""

import asyncio
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from pymongo import MongoClient
from pymongo.errors import (
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.server_description import ServerDescription
from pymongo.uri_parser import parse_uri

from leafmongo.deployment.replica import Client
from leafmongo.errors import LocalError
from leafmongo.gateway import tls
from leafmongo.proxy.wire import LENIENT

Member = tuple[str, int | None]  # a host and a port, or the path of a Unix socket
_WIRE_VERSION_OF_6_0 = 17
_AUTHENTICATION_FAILED = 18
_PORT = 27017
_SELECTION_MS = 20_000
_IDLE_SECONDS = 120  # as drivers do
_IMPLIED = {"tlsAllowInvalidCertificates", "tlsAllowInvalidHostnames"}  # by tlsInsecure


class Upstream:
    """Raises LocalError, of one line and without the password, on a URI that cannot be used."""

    def __init__(self, uri: str, *, selection_ms: int = _SELECTION_MS) -> None:
        try:
            parsed = parse_uri(uri)
            self._context = tls.context(parsed["options"])
            self.client: Client = _client(uri, selection_ms)
        except (PyMongoError, ValueError, OSError, ssl.SSLError) as error:
            raise LocalError(f"--upstream: {_reason(error, uri)}") from error
        self._user: str | None = parsed["username"]
        self._nodes: list[Member] = parsed["nodelist"]
        self._connecting = _without_login(parsed["options"])
        self.hosts = ", ".join(_name(member) for member in self._nodes)
        self.own_certificate = "tlsCertificateKeyFile" in parsed["options"]

    def check(self) -> str:
        """Its version, once a primary answers that this gateway can work with."""
        try:
            hello = self.client.admin.command("hello")
            if reason := unfit(hello):
                raise LocalError(f"the upstream {self.hosts} {reason}")
            return str(self.client.server_info()["version"])
        except ServerSelectionTimeoutError as error:
            raise LocalError(f"the upstream {self.hosts} has no primary: {self._why()}") from error
        except OperationFailure as error:
            raise LocalError(self.refusal(error)) from error
        except PyMongoError as error:
            said = str(error).partition("\n")[0]
            raise LocalError(f"the upstream {self.hosts} cannot be used: {said}") from error

    def asks_for_passwords(self) -> bool:
        """Whether one who does not log in is kept from the data."""
        hosts = [_name(member) for member in self._nodes]
        with MongoClient[dict[str, Any]](hosts, **self._connecting) as stranger:
            try:
                stranger.admin.command(
                    "listDatabases",
                    nameOnly=True,
                    authorizedDatabases=False,
                    codec_options=LENIENT,
                )
            except OperationFailure:
                return True
        return False

    def refusal(self, error: OperationFailure) -> str:
        """What a user of this gateway has to hear when the upstream does not let it in."""
        if error.code == _AUTHENTICATION_FAILED:
            return (
                f"the upstream {self.hosts} refuses the user {self._user!r} of the URI: "
                "the password or its authSource is wrong"
            )
        who = f"the user {self._user!r}" if self._user else "a URI without a user"
        return (
            f"the upstream {self.hosts} does not let {who} keep indexes ({error.code} "
            f"{(error.details or {}).get('codeName', '')}); what is needed are the roles "
            "readAnyDatabase, and readWrite on the database __leaf_search"
        )

    def primary(self) -> Member | None:
        """As the upstream was last heard to say; None while it elects one."""
        for server in self._servers():
            if server.server_type_name == "RSPrimary":
                return server.address
        return None

    async def open(self, member: Member, stream: Callable[[], asyncio.Protocol]) -> None:
        host, port = member
        loop = asyncio.get_running_loop()
        if host.endswith(".sock"):
            await loop.create_unix_connection(stream, host)
        else:
            transport, _ = await loop.create_connection(
                stream, host, port or _PORT, ssl=self._context
            )
            # Else a client would wait for ever for a machine that was switched off.
            stream_socket: socket.socket = transport.get_extra_info("socket")
            stream_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            stream_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_SECONDS)

    def _servers(self) -> list[ServerDescription]:
        return list(self.client.topology_description.server_descriptions().values())

    def _why(self) -> str:
        reasons = {
            _short(server.error, _name(server.address))
            if server.error
            else f"{_name(server.address)} is {_KINDS.get(server.server_type_name, 'no member')}"
            for server in self._servers()
        }
        return "; ".join(sorted(reasons)) or "none of its hosts is a member of the set it names"


_KINDS = {
    "RSGhost": "a member of a replica set that was not initiated (rs.initiate())",
    "RSSecondary": "a secondary",
    "RSArbiter": "an arbiter",
    "RSOther": "a member that is starting",
    "Unknown": "not answering",
}


def unfit(hello: Mapping[str, Any]) -> str | None:
    """What is wrong with a server that describes itself so, None when it will do."""
    if hello.get("msg") == "isdbgrid":
        return "is a sharded cluster; expected a replica set"
    if "setName" not in hello:
        return (
            "is no replica set, and without one there are no change streams; "
            "start its mongod with --replSet and run rs.initiate()"
        )
    if hello.get("maxWireVersion", 0) < _WIRE_VERSION_OF_6_0:
        return "is older than MongoDB 6.0, the oldest that this gateway can work with"
    return None


def _client(uri: str, selection_ms: int) -> Client:
    return MongoClient(
        uri,
        appname="leaf-gateway",
        readPreference="primary",
        readConcernLevel="majority",  # nothing that an election could take back
        w="majority",
        retryWrites=True,
        datetime_conversion="DATETIME_AUTO",
        unicode_decode_error_handler="replace",
        serverSelectionTimeoutMS=selection_ms,
        connect=False,
    )


def _without_login(options: Mapping[str, Any]) -> dict[str, Any]:
    """What it takes to reach the upstream, and no more."""
    kept = {
        key: value
        for key, value in options.items()
        if key.startswith("tls") or key in ("replicaSet", "directConnection")
    }
    if kept.pop("tlsInsecure", False):
        return {key: value for key, value in kept.items() if key not in _IMPLIED} | {
            "tlsInsecure": True
        }
    return kept


def _reason(error: Exception, uri: str) -> str:
    """The error's words, but for those that would repeat a piece of the password."""
    words = str(error)
    hidden = uri.partition("://")[2].rpartition("@")[0].partition(":")[2]
    if any(piece in words for piece in re.findall(r"\w{2,}", hidden)):
        return "not a URI of MongoDB; special characters in a password are written %40 and the like"
    return words


def _short(error: Exception, host: str) -> str:
    """One line that names the host once."""
    words = str(error).partition(" (configured timeouts")[0].partition("\n")[0]
    return words if words.startswith(f"{host}: ") else f"{host}: {words}"


def _name(member: Member) -> str:
    host, port = member
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
