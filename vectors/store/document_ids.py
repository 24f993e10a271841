"""Ids as text: what a document's `_id` reads as, and which `_id`s a text may stand for."""

from typing import Any
from uuid import UUID

import bson
from bson import Binary, ObjectId
from bson.binary import UUID_SUBTYPE

_MAX_WHOLE = 2**53  # beyond it, a double does not tell one integer from the next
_LARGEST = 2**63


def as_text(identity: object) -> str | None:
    """What MongoDB's own tools print between the quotes; the mongo shell's 1.0 is 1.

    None for what has no such form: documents, dates, fractions, null.
    """
    if isinstance(identity, Binary) and identity.subtype == UUID_SUBTYPE and len(identity) == 16:
        return str(identity.as_uuid())
    if isinstance(identity, float) and identity.is_integer() and abs(identity) < _MAX_WHOLE:
        return str(int(identity))
    if isinstance(identity, str | int | ObjectId | UUID) and not isinstance(identity, bool):
        return str(identity)
    return None


def can_be_asked_for(identity: object) -> bool:
    """Whether it can be sent to MongoDB: not if it came with bytes in it that are not UTF-8."""
    try:
        bson.encode({"_id": identity})
    except UnicodeEncodeError:
        return False
    return True


def possible_ids(text: str) -> list[Any]:
    """Every `_id` that reads as this text; a number finds itself as an integer and as a double."""
    found: list[Any] = [text]
    if ObjectId.is_valid(text) and str(ObjectId(text)) == text:
        found.append(ObjectId(text))
    if (number := _number(text)) is not None:
        found.append(number)
    if (uuid := _uuid(text)) is not None:
        found.append(Binary.from_uuid(uuid))
    return found


def _number(text: str) -> int | None:
    if not text.removeprefix("-").isdecimal() or len(text) > 20:
        return None
    number = int(text)
    return number if str(number) == text and -_LARGEST <= number < _LARGEST else None


def _uuid(text: str) -> UUID | None:
    try:
        uuid = UUID(text)
    except ValueError:
        return None
    return uuid if str(uuid) == text else None
