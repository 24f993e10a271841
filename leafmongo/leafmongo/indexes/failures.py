"""Which failures pass by themselves, and how long to wait before trying again."""

from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

# Codes of mongod that tell of the moment: elections, shutdowns, lost sessions, and what was
# killed, renamed or took too long.
_PASSING = frozenset(
    {6, 7, 24, 43, 50, 63, 89, 91, 112, 133, 134, 136, 175, 189, 202, 206, 211, 237, 246, 262, 279}
    | {290, 317, 391, 9001, 10107, 11600, 11601, 11602, 13388, 13435, 13436}
)
_SHORTEST, _LONGEST = 0.2, 10.0


def lasting(error: Exception) -> bool:
    """Whether the same would fail again: mongod refuses it, or it is a fault of ours."""
    if isinstance(error, OperationFailure):
        return error.code not in _PASSING
    return not isinstance(error, PyMongoError)


def reason(error: Exception) -> str:
    """For people: what mongod says, without the document it says it in."""
    if isinstance(error, OperationFailure) and error.details:
        return f"MongoDB refuses to read it: {error.details.get('errmsg')} (code {error.code})"
    return f"{type(error).__name__}: {error}"


class Backoff:
    """Seconds to wait, longer with every failure in a row."""

    def __init__(self) -> None:
        self.failures = 0

    def after(self, error: Exception) -> float:
        """No longer each time for a lost connection: PyMongo itself waits for another."""
        if isinstance(error, ConnectionFailure):
            return _SHORTEST
        self.failures += 1
        return min(_SHORTEST * 2.0 ** (self.failures - 1), _LONGEST)

    def succeeded(self) -> None:
        self.failures = 0
