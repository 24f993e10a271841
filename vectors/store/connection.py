"""Opening a connection to MongoDB, and what its failures mean in one line."""

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
_SECONDS_UNTIL_TOLD = 1  # of waiting without a word
_SECONDS_WHERE_REFUSED = 3  # nothing listens there; a server that is being restarted soon will
_REFUSED = re.compile(r"Errno (?:2|111|61)\]|refused|No such file")
_SECONDS_TO_LEAVE = 1
_LENIENT = CodecOptions[dict[str, Any]](unicode_decode_error_handler="replace")
_AUTHENTICATION_FAILED = {18, 8000}
_UNAUTHORIZED = 13
# No right to; or Atlas, which keeps some commands from everybody on small clusters.
FORBIDDEN_CODES = frozenset({_UNAUTHORIZED, 8000})
_DISK_FULL = 14031
_BESIDE_THE_POINT = (", full error:", ", Timeout:", " (configured timeouts:")
_ENCODE = (
    "expected user name and password percent-encoded (/ as %2F, ? as %3F), as in "
    "mongodb+srv://user:pass%2Fword@host/"
)
_COMMAND = re.compile(r"execute command (\{ (\w+):)")
_READING = {"aggregate", "collStats", "count", "find", "getMore", "listCollections", "listIndexes"}
_TWICE = re.compile(r"(\S+): \1: ")  # a host that the driver names before its own text
_NO_SEARCH = {59, 31082, 115, 40324, 6047401}  # unknown command or stage, SearchNotEnabled, ...

Client = TypeVar("Client")

log = logging.getLogger(__name__)


def connect(uri: str) -> MongoClient[dict[str, Any]]:
    """A client that has reached its server. Options in the URI beat the defaults here."""
    with explain_errors():
        client: MongoClient[dict[str, Any]] = _made(MongoClient, uri)
        try:
            try:
                with timeout(_SECONDS_UNTIL_TOLD):
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
    """See connect; closed without waiting long for a server that is away."""
    client = connect(uri)
    try:
        yield client
    finally:
        with timeout(_SECONDS_TO_LEAVE):
            client.close()


async def connect_async(uri: str) -> AsyncMongoClient[dict[str, Any]]:
    """The same for asyncio; the client belongs to the running loop."""
    with explain_errors():
        client: AsyncMongoClient[dict[str, Any]] = _made(AsyncMongoClient, uri)
        try:
            try:
                with timeout(_SECONDS_UNTIL_TOLD):
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
    """Turns the driver's errors into DeploymentError, never showing a password."""
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
        raise DeploymentError(f"what MongoDB holds cannot be read: {short(error)}") from error


def list_collection_types(database: Database[Any]) -> dict[str, str]:
    """Each collection and its type. Names are any bytes to MongoDB; what is not UTF-8 is replaced,
    where PyMongo's own list_collections would fail for all."""
    # In this form it is open to whoever may read a collection.
    listed = database.with_options(codec_options=_LENIENT).cursor_command(
        "listCollections", nameOnly=True, authorizedCollections=True, codec_options=_LENIENT
    )
    return {str(found["name"]): str(found["type"]) for found in listed}


def lacks_search(error: OperationFailure) -> bool:
    """Whether a refusal means that this deployment has no search process behind it."""
    return error.code in _NO_SEARCH


def _made(kind: Callable[..., Client], uri: str) -> Client:
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
    """How long it is asked again, which is logged; raises what no waiting changes, and where the
    user set a time that is over."""
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
    """Whether a sign in the password ended the hosts; the driver's text may quote the rest."""
    given = uri.partition("://")[2]
    hosts = given.partition("?")[0].partition("/")[0]
    return "@" in given and "@" not in hosts and ":" in hosts


def _options(uri: str) -> dict[str, Any]:
    options: dict[str, Any] = {"driver": DriverInfo("leafsearch", version("leafsearch"))}
    given = uri.lower()
    if "tz_aware" not in given:
        options["tz_aware"] = True  # a date without a zone would be taken for local time
    # A date that Python cannot hold, or a string that is no UTF-8, must not hide all other hits.
    if "datetime_conversion" not in given:
        options["datetime_conversion"] = "DATETIME_AUTO"
    if "unicode_decode_error_handler" not in given:
        options["unicode_decode_error_handler"] = "replace"
    if not _sets_time(uri):
        options["serverSelectionTimeoutMS"] = _SECONDS_TO_FIND_A_SERVER * 1000
    return options


def _refusal(error: OperationFailure) -> str:
    if error.code in _AUTHENTICATION_FAILED:
        return "MongoDB refused user name or password of MONGODB_URI (--uri); check both"
    if error.code == _UNAUTHORIZED:
        return _unauthorized(short(error))
    if lacks_search(error):
        return (
            f"this MongoDB has no vector search ({short(error)}); use Atlas, Atlas Local, MongoDB "
            f"8.2+ with mongot, or the local one of {hint('leaf-mongo', 'start')}"
        )
    if _codes(error) & {_DISK_FULL}:
        return (
            f"MongoDB's disk is full ({short(error)}); make room there and run this again: what "
            "is written already stays"
        )
    return f"MongoDB refused: {short(error)}"


def _unauthorized(reason: str) -> str:
    if "requires authentication" in reason:
        return (
            "MONGODB_URI (--uri) has no user name and password, and this MongoDB asks for them; "
            "write both into it, as in mongodb://user:password@host/"
        )
    # The server quotes the whole command, of which the name is enough.
    command = _COMMAND.search(reason)
    shown = reason[: command.start(1)] + command[2] if command else reason
    reads = command is not None and command[2] in _READING
    role = "read" if reads else "readWrite"
    return f"the MongoDB user may not do this: {shown}; it needs the role {role}"


def _codes(error: OperationFailure) -> set[int]:
    return {error.code or 0, *(int(one.get("code", 0)) for one in _refusals(error))}


def _refusals(error: BaseException) -> list[Mapping[str, Any]]:
    """The single ones behind a bulk write, whose own text only says that there are some."""
    if not isinstance(error, BulkWriteError):
        return []
    details = error.details
    return [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]


def _help(error: Exception) -> str:
    if ".sock" in str(error):
        return (
            f"start the local deployment with {hint('leaf-mongo', 'start')}, or check MONGODB_URI "
            "(--uri); if it ended by itself, its log tells why, a full disk for one"
        )
    return (
        "check MONGODB_URI (--uri), that the server runs (its log tells why it ended, a full disk "
        "for one), and on Atlas that this machine's address is on the access list"
    )


def short(error: BaseException) -> str:
    """What the driver says, without what it says of itself."""
    single = next((str(one.get("errmsg")) for one in _refusals(error)), str(error))
    text = single
    for rest in _BESIDE_THE_POINT:
        text = text.partition(rest)[0]
    text = _TWICE.sub(r"\1: ", text)
    return text if len(text) <= 300 else text[:300] + " ..."
