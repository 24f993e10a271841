"""Decides by its command what the gateway does with a message: pass it, note it, or answer it."""

import re
from collections.abc import Sequence
from enum import Enum

from leafmongo.proxy.command_threads import LARGE_BYTES
from leafmongo.proxy.wire import MAX_MESSAGE_BYTES, OP_MSG, OP_QUERY, Head

HANDSHAKES = frozenset({"hello", "isMaster", "ismaster"})
MANAGEMENT = frozenset(
    {"createSearchIndexes", "updateSearchIndex", "dropSearchIndex", "atlasVersion"}
)
_PIPELINES = frozenset({"aggregate", "explain"})
_HANDSHAKE_BYTES, COMMAND_BYTES = 2**20, 17 * 2**20
# `$search` follows the type of its value, since {$text: {$search: "..."}} is not a search.
_SEARCH_STAGES = (
    *(b"$vectorSearch\0", b"\x03$search\0", b"\x03$searchMeta\0"),
    b"$listSearchIndexes\0",
)
_WRITING_STAGES = (b"$out\0", b"$merge\0")
_DOCUMENT_WRITES = frozenset({"insert", "update", "delete", "findAndModify", "findandmodify"})
_READS = frozenset(
    re.findall(
        r"\w+",
        """
        find getMore killCursors count distinct listCollections listDatabases listIndexes ping
        buildInfo buildinfo connectionStatus getParameter serverStatus hostInfo getLog dbStats
        dbstats collStats collstats validate whatsmyuri getCmdLineOpts startSession endSessions
        refreshSessions killSessions abortTransaction saslStart saslContinue logout getnonce
        authenticate createIndexes dropIndexes create replSetGetStatus replSetGetConfig explain
        """,
    )
)


class MessageKind(Enum):
    PASS = "pass"  # changes no indexed document
    WRITE = "write"  # may change documents of the collection it names
    WRITE_ANY = "write any"  # may change any collection
    HANDSHAKE = "handshake"
    SEARCH = "search"


def describes_hosts(head: Head) -> bool:
    """Whether the answer may name the hosts of the replica set."""
    return head.opcode == OP_QUERY or head.name in HANDSHAKES


def logs_in_by_certificate(head: Head, message: bytes) -> bool:
    """Whether the message is, or contains, a login by X.509 certificate.

    `authenticate` is for nothing else; a handshake may contain it. The message has to be complete
    if `needs_whole` says so.
    """
    may_hold = head.opcode == OP_QUERY or head.name is None or head.name in HANDSHAKES
    return head.name == "authenticate" or (may_hold and b"authenticate\0" in message)


def needs_whole(head: Head) -> bool:
    """Whether the beginning of the message is not enough to classify it."""
    if head.opcode == OP_QUERY:
        return True
    if head.opcode != OP_MSG:
        return False
    if head.name is None or not head.body_first:
        return True
    return head.name in HANDSHAKES or head.name in MANAGEMENT or head.name in _PIPELINES


def max_bytes(head: Head) -> int:
    """The most bytes that mongod accepts of such a command; only buffered commands are limited."""
    if head.opcode == OP_QUERY or head.name in HANDSHAKES:
        return _HANDSHAKE_BYTES
    return COMMAND_BYTES if head.name in MANAGEMENT | _PIPELINES else MAX_MESSAGE_BYTES


def classify(head: Head, message: bytes) -> MessageKind:
    """Classify a message, which has to be complete if `needs_whole` says so."""
    if head.opcode == OP_QUERY:
        return MessageKind.HANDSHAKE if b"compression\0" in message else MessageKind.PASS
    if head.opcode != OP_MSG:
        return MessageKind.WRITE_ANY
    name = head.name
    if name in _DOCUMENT_WRITES:
        return MessageKind.WRITE
    if name in HANDSHAKES:
        return MessageKind.HANDSHAKE if b"compression\0" in message else MessageKind.PASS
    if name in MANAGEMENT or name is None:
        return MessageKind.SEARCH
    if name in _PIPELINES and (len(message) > LARGE_BYTES or may_search(message)):
        return MessageKind.SEARCH  # a thread scans a large message
    if name == "aggregate":
        return MessageKind.WRITE_ANY if writes_by_stage(message) else MessageKind.PASS
    return MessageKind.PASS if name in _READS else MessageKind.WRITE_ANY


def writes_by_stage(message: bytes) -> bool:
    """Whether a pipeline may write its result to a collection, any collection."""
    return _contains(message, _WRITING_STAGES)


def may_search(message: bytes) -> bool:
    """Whether a pipeline contains bytes that look like a search stage."""
    return _contains(message, _SEARCH_STAGES)


def _contains(message: bytes, names: Sequence[bytes]) -> bool:
    """Scan in steps: no other thread runs while Python searches bytes."""
    return any(
        message.find(name, at, at + LARGE_BYTES + len(name)) >= 0
        for at in range(0, len(message), LARGE_BYTES)
        for name in names
    )
