"""Connects to MongoDB, and explains its failures in one line."""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, TypeVar

from bson.codec_options import CodecOptions
from bson.errors import BSONError
from pymongo import AsyncMongoClient, MongoClient, timeout
from pymongo.database import Database
from pymongo.driver_info import DriverInfo
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)

from leafsearch.config.hint import hint
from leafsearch.config.text import quote
from leafsearch.vectors.errors import DeploymentError

_SECONDS_TO_FIND_A_SERVER = 10
_SECONDS_UNTIL_LOGGED = 1  # of waiting silently
_SECONDS_WHERE_REFUSED = 3  # nothing listens there; a restarting server soon will
_REFUSED = re.compile(r"Errno (?:2|111|61)\]|refused|No such file")
_SECONDS_TO_LEAVE = 1
_LENIENT = CodecOptions[dict[str, Any]](unicode_decode_error_handler="replace")
_AUTHENTICATION_FAILED = {18, 8000}
_UNAUTHORIZED = 13
# The user lacks the right; or Atlas, which denies some commands to all on small clusters.
FORBIDDEN_CODES = frozenset({_UNAUTHORIZED, 8000})
_DISK_FULL = 14031
_NOISE = (", full error:", ", Timeout:", " (configured timeouts:")
_ENCODE = (
    "expected user name and password percent-encoded (/ as %2F, ? as %3F), as in "
    "mongodb+srv://user:pass%2Fword@host/"
)
_COMMAND = re.compile(r"execute command (\{ (\w+):)")
_READS = {
    "aggregate",
    "collStats",
    "count",
    "find",
    "getMore",
    "listCollections",
    "listIndexes",
}
_TWICE = re.compile(r"(\S+): \1: ")  # the driver puts the host before text that has it
_NO_SEARCH = {59, 31082, 115, 40324, 6047401}  # unknown command or stage, SearchNotEnabled, ...

Client = TypeVar("Client")

log = logging.getLogger(__name__)


def connect(uri: str) -> MongoClient[dict[str, Any]]:
    """A client that has reached its server. Options in the URI override the defaults here."""
    with explain_errors():
        client: MongoClient[dict[str, Any]] = _create(MongoClient, uri)
        try:
            try:
                with timeout(_SECONDS_UNTIL_LOGGED):
                    client.admin.command("ping")
            except PyMongoError as error:
                with timeout(_more_seconds(uri, error)):
                    client.admin.command("ping")
        except BaseException:
            client.close()
            raise
        return client


@contextmanager
def open_client(uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    """See connect; closes without waiting long for an unreachable server."""
    client = connect(uri)
    try:
        yield client
    finally:
        with timeout(_SECONDS_TO_LEAVE):
            client.close()


async def connect_async(uri: str) -> AsyncMongoClient[dict[str, Any]]:
    """See connect; for asyncio, the client belongs to the running loop."""
    with explain_errors():
        client: AsyncMongoClient[dict[str, Any]] = _create(AsyncMongoClient, uri)
        try:
            try:
                with timeout(_SECONDS_UNTIL_LOGGED):
                    await client.admin.command("ping")
            except PyMongoError as error:
                with timeout(_more_seconds(uri, error)):
                    await client.admin.command("ping")
        except BaseException:
            await client.close()
            raise
        return client


@contextmanager
def explain_errors() -> Iterator[None]:
    """Turn the driver's errors into DeploymentError, without the password."""
    try:
        yield
    except OperationFailure as error:
        raise DeploymentError(_refusal(error)) from error
    except ConnectionFailure as error:
        raise DeploymentError(f"MongoDB does not answer: {short(error)}; {_help(error)}") from error
    except (ConfigurationError, InvalidURI) as error:
        raise DeploymentError(f"MONGODB_URI (--uri) cannot be used: {short(error)}") from error
    except PyMongoError as error:
        raise DeploymentError(f"MongoDB: {short(error)}") from error
    except BSONError as error:
        raise DeploymentError(f"a stored document cannot be decoded: {short(error)}") from error


def list_collection_types(database: Database[Any]) -> dict[str, str]:
    """Each collection and its type.

    Names may be any bytes; those that are not UTF-8 come with replacement characters, where
    PyMongo's own list_collections would fail.
    """
    # In this form the command is allowed to users who may read one collection only.
    listed = database.with_options(codec_options=_LENIENT).cursor_command(
        "listCollections", nameOnly=True, authorizedCollections=True, codec_options=_LENIENT
    )
    return {str(found["name"]): str(found["type"]) for found in listed}


def lacks_search(error: OperationFailure) -> bool:
    """Whether the error means that this deployment has no search process."""
    return error.code in _NO_SEARCH


def _create(kind: Callable[..., Client], uri: str) -> Client:
    if not isinstance(uri, str):
        raise DeploymentError(
            f"the URI is {quote(uri)}; expected mongodb://... or mongodb+srv://..."
        )
    try:
        return kind(uri, **_options(uri))
    except (ConfigurationError, InvalidURI, ValueError) as error:
        reason = _ENCODE if _ends_too_early(uri) else short(error)
        raise DeploymentError(f"MONGODB_URI (--uri) cannot be used: {reason}") from None


def _more_seconds(uri: str, error: PyMongoError) -> float:
    """Seconds for the second try, which is logged.

    Raises `error` if it is permanent, or if the URI sets a timeout of its own.
    """
    if _sets_time(uri) or not (error.timeout or isinstance(error, ConnectionFailure)):
        raise error
    is_refused = bool(_REFUSED.search(str(error)))
    seconds = _SECONDS_WHERE_REFUSED if is_refused else _SECONDS_TO_FIND_A_SERVER
    log.warning(
        "MongoDB does not answer yet (%s); waiting up to %d s for it", short(error), seconds
    )
    return seconds


def _sets_time(uri: str) -> bool:
    return "serverselectiontimeoutms" in uri.lower()


def _ends_too_early(uri: str) -> bool:
    """Whether a character of the password ended the host part; the driver would quote the rest."""
    given = uri.partition("://")[2]
    hosts = given.partition("?")[0].partition("/")[0]
    return "@" in given and "@" not in hosts and ":" in hosts


def _options(uri: str) -> dict[str, Any]:
    options: dict[str, Any] = {"driver": DriverInfo("leafsearch", version("leafsearch"))}
    given = uri.lower()
    if "tz_aware" not in given:
        options["tz_aware"] = True  # a naive date would pass for local time
    # One date out of range, or one string that is not UTF-8, must not fail a whole search.
    if "datetime_conversion" not in given:
        options["datetime_conversion"] = "DATETIME_AUTO"
    if "unicode_decode_error_handler" not in given:
        options["unicode_decode_error_handler"] = "replace"
    if not _sets_time(uri):
        options["serverSelectionTimeoutMS"] = _SECONDS_TO_FIND_A_SERVER * 1000
    return options


def _refusal(error: OperationFailure) -> str:
    if error.code in _AUTHENTICATION_FAILED:
        return "MongoDB rejected the user name or password in MONGODB_URI (--uri); check both"
    if error.code == _UNAUTHORIZED:
        return _unauthorized(short(error))
    if lacks_search(error):
        return (
            f"this MongoDB has no vector search ({short(error)}); use Atlas, Atlas Local, MongoDB "
            f"8.2+ with mongot, or the local one of {hint('leaf-mongo', 'start')}"
        )
    if _codes(error) & {_DISK_FULL}:
        return (
            f"MongoDB's disk is full ({short(error)}); free some space and run this again: what is "
            "already written stays"
        )
    return f"MongoDB refused: {short(error)}"


def _unauthorized(reason: str) -> str:
    if "requires authentication" in reason:
        return (
            "MONGODB_URI (--uri) has no user name and password, but this MongoDB requires them; "
            "add both, as in mongodb://user:password@host/"
        )
    # The server quotes the whole command; its name is enough.
    command = _COMMAND.search(reason)
    shown = reason[: command.start(1)] + command[2] if command else reason
    reads = command is not None and command[2] in _READS
    role = "read" if reads else "readWrite"
    return f"the MongoDB user may not do this: {shown}; it needs the role {role}"


def _codes(error: OperationFailure) -> set[int]:
    return {error.code or 0, *(int(one.get("code", 0)) for one in _refusals(error))}


def _refusals(error: BaseException) -> list[Mapping[str, Any]]:
    """The single errors of a bulk write, whose own message only says that there are some."""
    if not isinstance(error, BulkWriteError):
        return []
    details = error.details
    return [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]


def _help(error: Exception) -> str:
    if ".sock" in str(error):
        return (
            f"start the local deployment with {hint('leaf-mongo', 'start')}, or check MONGODB_URI "
            "(--uri); if it ended by itself, its log says why (a full disk, for example)"
        )
    return (
        "check MONGODB_URI (--uri), that the server runs (its log says why it ended: a full disk, "
        "for example), and on Atlas that this machine's address is on the access list"
    )


def short(error: BaseException) -> str:
    """The driver's message without its own details."""
    single = next((str(one.get("errmsg")) for one in _refusals(error)), str(error))
    text = single
    for rest in _NOISE:
        text = text.partition(rest)[0]
    text = _TWICE.sub(r"\1: ", text)
    return text if len(text) <= 300 else text[:300] + " ..."
