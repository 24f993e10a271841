"""What the gateway does with a message, by its command: pass it, note it, or answer it."""

import re
from collections.abc import Sequence
from enum import Enum

from leafmongo.proxy.wire import MAX_MESSAGE_BYTES, OP_MSG, OP_QUERY, Head
from leafmongo.proxy.workers import LARGE_BYTES

HANDSHAKES = frozenset({"hello", "isMaster", "ismaster"})
MANAGEMENT = frozenset({"createSearchIndexes", "updateSearchIndex", "dropSearchIndex"})
_PIPELINES = frozenset({"aggregate", "explain"})
_HANDSHAKE_BYTES, COMMAND_BYTES = 2**20, 17 * 2**20
# `$search` with the type of its value in front: {$text: {$search: "..."}} has another.
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


class Kind(Enum):
    PASS = "pass"  # harmless for every index
    WRITE = "write"  # may change documents of the collection it names
    WRITE_ANY = "write any"  # may change any collection
    HANDSHAKE = "handshake"
    SEARCH = "search"


def tells_of_hosts(head: Head) -> bool:
    """Whether the answer may name the members of the replica set."""
    return head.opcode == OP_QUERY or head.name in HANDSHAKES


def logs_in_by_certificate(head: Head, message: bytes) -> bool:
    """Whether a message, complete where `needs_all` wants it, is or holds a login by X.509.

    The command `authenticate` is for nothing else; a handshake may have it inside.
    """
    may_hold = head.opcode == OP_QUERY or head.name is None or head.name in HANDSHAKES
    return head.name == "authenticate" or (may_hold and b"authenticate\0" in message)


def needs_all(head: Head) -> bool:
    """Whether the beginning of a message is not enough to tell its kind."""
    if head.opcode == OP_QUERY:
        return True
    if head.opcode != OP_MSG:
        return False
    if head.name is None or not head.body_first:
        return True
    return head.name in HANDSHAKES or head.name in MANAGEMENT or head.name in _PIPELINES


def most_bytes(head: Head) -> int:
    """What mongod would take of such a command at most; only those that are kept have a limit."""
    if head.opcode == OP_QUERY or head.name in HANDSHAKES:
        return _HANDSHAKE_BYTES
    return COMMAND_BYTES if head.name in MANAGEMENT | _PIPELINES else MAX_MESSAGE_BYTES


def kind_of(head: Head, message: bytes) -> Kind:
    """Of a message that is complete, or at least as far as `needs_all` wants it."""
    if head.opcode == OP_QUERY:
        return Kind.HANDSHAKE if b"compression\0" in message else Kind.PASS
    if head.opcode != OP_MSG:
        return Kind.WRITE_ANY
    name = head.name
    if name in _DOCUMENT_WRITES:
        return Kind.WRITE
    if name in HANDSHAKES:
        return Kind.HANDSHAKE if b"compression\0" in message else Kind.PASS
    if name in MANAGEMENT or name is None:
        return Kind.SEARCH
    if name in _PIPELINES and (len(message) > LARGE_BYTES or may_search(message)):
        return Kind.SEARCH  # a thread looks through a large one
    if name == "aggregate":
        return Kind.WRITE_ANY if writes_by_stage(message) else Kind.PASS
    return Kind.PASS if name in _READS else Kind.WRITE_ANY


def writes_by_stage(message: bytes) -> bool:
    """Of a pipeline, whether it may end in a collection; which one is not looked for."""
    return _holds(message, _WRITING_STAGES)


def may_search(message: bytes) -> bool:
    """Whether a pipeline has anything that looks like one of our stages."""
    return _holds(message, _SEARCH_STAGES)


def _holds(message: bytes, names: Sequence[bytes]) -> bool:
    """In steps: no other thread runs while Python looks for bytes."""
    return any(
        message.find(name, at, at + LARGE_BYTES + len(name)) >= 0
        for at in range(0, len(message), LARGE_BYTES)
        for name in names
    )
