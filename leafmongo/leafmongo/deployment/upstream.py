"""A replica set run by somebody else: check its URI and its servers, connect to its members."""

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

from leafmongo.errors import LocalError
from leafmongo.indexes.catalog import Client
from leafmongo.proxy.wire import LENIENT

Member = tuple[str, int | None]  # a host and a port, or the path of a Unix socket
_WIRE_VERSION_OF_6_0 = 17
_AUTHENTICATION_FAILED = 18
_PORT = 27017
_SELECTION_MS = 20_000
_IDLE_SECONDS = 120  # like drivers
_IMPLIED = {"tlsAllowInvalidCertificates", "tlsAllowInvalidHostnames"}  # by tlsInsecure


class Upstream:
    """Raises LocalError, in one line and without the password, if the URI cannot be used."""

    def __init__(self, uri: str, *, selection_ms: int = _SELECTION_MS) -> None:
        try:
            parsed = parse_uri(uri)
            self._context = _tls_context(parsed["options"])
            self.client: Client = _client(uri, selection_ms)
        except (PyMongoError, ValueError, OSError, ssl.SSLError) as error:
            raise LocalError(f"--upstream: {_reason(error, uri)}") from error
        self._user: str | None = parsed["username"]
        self._nodes: list[Member] = parsed["nodelist"]
        self._connecting = _without_login(parsed["options"])
        self.hosts = ", ".join(_name(member) for member in self._nodes)
        self.own_certificate = "tlsCertificateKeyFile" in parsed["options"]

    def check(self) -> str:
        """Wait for a primary that this gateway can work with, and return its version."""
        try:
            hello = self.client.admin.command("hello")
            if problem := server_problem(hello):
                raise LocalError(f"the upstream {self.hosts} {problem}")
            return str(self.client.server_info()["version"])
        except ServerSelectionTimeoutError as error:
            raise LocalError(
                f"the upstream {self.hosts} has no primary: {self._explain_no_primary()}"
            ) from error
        except OperationFailure as error:
            raise LocalError(self.explain_refusal(error)) from error
        except PyMongoError as error:
            reason = str(error).partition("\n")[0]
            raise LocalError(f"the upstream {self.hosts} cannot be used: {reason}") from error

    def requires_login(self) -> bool:
        """Whether a client that has not logged in is kept from the data."""
        hosts = [_name(member) for member in self._nodes]
        with MongoClient[dict[str, Any]](hosts, **self._connecting) as anonymous:
            try:
                anonymous.admin.command(
                    "listDatabases",
                    nameOnly=True,
                    authorizedDatabases=False,
                    codec_options=LENIENT,
                )
            except OperationFailure:
                return True
        return False

    def explain_refusal(self, error: OperationFailure) -> str:
        """Explain to the user of this gateway why the upstream refuses it."""
        if error.code == _AUTHENTICATION_FAILED:
            return (
                f"the upstream {self.hosts} rejects the user {self._user!r} of the URI: "
                "wrong password or authSource"
            )
        who = f"the user {self._user!r}" if self._user else "a URI without a user"
        return (
            f"the upstream {self.hosts} does not let {who} keep indexes ({error.code} "
            f"{(error.details or {}).get('codeName', '')}); expected the roles "
            "readAnyDatabase, and readWrite on the database __leaf_search"
        )

    def primary(self) -> Member | None:
        """The primary that PyMongo last saw; None during an election."""
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
            # Otherwise a client would wait for ever for a machine that was switched off.
            stream_socket: socket.socket = transport.get_extra_info("socket")
            stream_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            stream_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_SECONDS)

    def _servers(self) -> list[ServerDescription]:
        return list(self.client.topology_description.server_descriptions().values())

    def _explain_no_primary(self) -> str:
        reasons = {
            _short(server.error, _name(server.address))
            if server.error
            else f"{_name(server.address)} is {_server_type(server)}"
            for server in self._servers()
        }
        return (
            "; ".join(sorted(reasons))
            or "none of its hosts is a member of the replica set it names"
        )


_SERVER_TYPES = {
    "RSGhost": "a member of a replica set that was not initiated (rs.initiate())",
    "RSSecondary": "a secondary",
    "RSArbiter": "an arbiter",
    "RSOther": "a member that is starting",
    "Unknown": "not answering",
}


def _server_type(server: ServerDescription) -> str:
    return _SERVER_TYPES.get(server.server_type_name, "not a member")


def server_problem(hello: Mapping[str, Any]) -> str | None:
    """Why the gateway cannot work with a server, by its reply to `hello`; None if it can."""
    if hello.get("msg") == "isdbgrid":
        return "is a sharded cluster; expected a replica set"
    if "setName" not in hello:
        return (
            "is not a replica set, which change streams require. "
            "Start its mongod with --replSet and run rs.initiate()"
        )
    if hello.get("maxWireVersion", 0) < _WIRE_VERSION_OF_6_0:
        return "is older than MongoDB 6.0; expected 6.0 or later"
    return None


def _client(uri: str, selection_ms: int) -> Client:
    return MongoClient(
        uri,
        appname="leaf-gateway",
        readPreference="primary",
        readConcernLevel="majority",  # reads nothing that an election could roll back
        w="majority",
        retryWrites=True,
        datetime_conversion="DATETIME_AUTO",
        unicode_decode_error_handler="replace",
        serverSelectionTimeoutMS=selection_ms,
        connect=False,
    )


def _without_login(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options needed to reach the upstream, without those of the login."""
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
    """The error's message, unless it repeats a part of the password."""
    words = str(error)
    hidden = uri.partition("://")[2].rpartition("@")[0].partition(":")[2]
    if any(piece in words for piece in re.findall(r"\w{2,}", hidden)):
        return (
            "not a MongoDB URI; percent-encode special characters in the password, such as @ as %40"
        )
    return words


def _short(error: Exception, host: str) -> str:
    """The error in one line that names the host once."""
    words = str(error).partition(" (configured timeouts")[0].partition("\n")[0]
    return words if words.startswith(f"{host}: ") else f"{host}: {words}"


def _name(member: Member) -> str:
    host, port = member
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _tls_context(options: Mapping[str, Any]) -> ssl.SSLContext | None:
    """The TLS settings of the URI, for clients' streams; None without TLS."""
    if not options.get("tls"):
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = not options.get("tlsAllowInvalidHostnames", False)
    if options.get("tlsAllowInvalidCertificates"):
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if crl := options.get("tlsCRLFile"):
        made.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        made.load_verify_locations(crl)
    if authorities := options.get("tlsCAFile"):
        made.load_verify_locations(authorities)
    else:
        made.load_default_certs()
    if certificate := options.get("tlsCertificateKeyFile"):
        made.load_cert_chain(certificate, None, options.get("tlsCertificateKeyFilePassword"))
    return made
