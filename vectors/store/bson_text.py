"""BSON values as text: MongoDB's Extended JSON, and document ids in the form that people type."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import bson
from bson import Binary, ObjectId, json_util
from bson.binary import UUID_SUBTYPE
from bson.errors import BSONError

from leafsearch.config.text import quote

# json_util raises these for unexpected values, beside BSONError.
_WRONG_VALUE = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, BSONError)
_MAX_WHOLE = 2**53  # beyond it, a double does not tell one integer from the next
_LARGEST = 2**63
_MOST_LEVELS = 200  # of documents and arrays, as in BSON


class NotExtendedJson(Exception):
    """A text is not valid Extended JSON; the message is a phrase that says why."""


def decode_extended(pairs: list[tuple[str, Any]]) -> Any:
    """An `object_pairs_hook` for json.loads: `{"$oid": ...}` becomes an ObjectId, and so on.

    Raises NotExtendedJson.
    """
    try:
        return json_util.object_pairs_hook(pairs)
    except _WRONG_VALUE as error:
        given = quote_json(dict(pairs))
        # The library's own message is about its internals.
        raise NotExtendedJson(f"{given} is not a value that Extended JSON knows") from error


def parse_extended_json(text: str) -> Any:
    """Raises NotExtendedJson, also for more levels than a MongoDB document may have."""
    try:
        value = json.loads(text, object_pairs_hook=decode_extended)
    except RecursionError as error:
        raise NotExtendedJson("it is nested too deeply") from error
    except ValueError as error:
        raise NotExtendedJson(str(error)) from error
    # How deep json.loads goes depends on the version of Python.
    level = [value]
    for _ in range(_MOST_LEVELS):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return value
    raise NotExtendedJson("it is nested too deeply")


def _inside(value: Any) -> Sequence[Any]:
    return list(value.values()) if isinstance(value, dict) else value if type(value) is list else []


def quote_json(value: Any) -> str:
    """The value as JSON, shortened for a message."""
    try:
        given = json.dumps(value, default=str)
    except (TypeError, ValueError, RecursionError):
        return quote(value)
    return given if len(given) <= 80 else f"{given[:80]}..."


def id_to_text(identity: object) -> str | None:
    """The `_id` as MongoDB's own tools print it between quotes; the mongo shell's 1.0 is 1.

    None for ids without such a form: documents, dates, fractions, null.
    """
    if isinstance(identity, Binary) and identity.subtype == UUID_SUBTYPE and len(identity) == 16:
        return str(identity.as_uuid())
    if isinstance(identity, float) and identity.is_integer() and abs(identity) < _MAX_WHOLE:
        return str(int(identity))
    if isinstance(identity, str | int | ObjectId | UUID) and not isinstance(identity, bool):
        return str(identity)
    return None


def is_encodable_id(identity: object) -> bool:
    """Whether the driver can send this id back: it cannot if its text was not UTF-8."""
    try:
        bson.encode({"_id": identity})
    except UnicodeEncodeError:
        return False
    return True


def ids_from_text(text: str) -> list[Any]:
    """Every `_id` that prints as this text; MongoDB matches a number as integer and as double."""
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
