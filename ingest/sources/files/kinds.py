"""What a value of a record is called in the reasons of rejects."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from bson import Decimal128, ObjectId

_KINDS: Sequence[tuple[type, str]] = (
    (dict, "an object"),
    (list, "an array"),
    (str, "a string"),
    (type(None), "null"),
    (bool, "a boolean"),  # which Python takes for a number
    (float, "a number with a fraction"),
    (int, "a number"),
    (ObjectId, "an ObjectId"),
    (UUID, "a UUID"),
    (datetime, "a date"),
    (Decimal128, "a decimal number"),
    (bytes, "binary"),
)


class UnusableRecord(Exception):
    """The reason, as a phrase."""


def kind(value: object) -> str:
    return next((name for found, name in _KINDS if isinstance(value, found)), "of another type")
