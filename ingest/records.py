"""From a record with named fields to a Document, or to the reason why it is none."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import bson
from bson import Decimal128, ObjectId
from bson.errors import BSONError

from ingest.document import Document, Place
from vectors.identity import as_text

_MAX_ID = 1024  # bytes
MAX_TEXT = 64 * 2**20  # characters of one document
_MAX_METADATA = 8 * 2**20  # bytes; every chunk carries a copy, and MongoDB ends at 16 MiB

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


@dataclass(frozen=True)
class Fields:
    """Names of the fields that are not metadata. `id` may also be called `_id`."""

    id: str = "id"
    text: str = "text"
    title: str = "title"

    def problems(self) -> Iterator[str]:
        named = {"--id-field": self.id, "--text-field": self.text, "--title-field": self.title}
        for option, name in named.items():
            if not name:
                yield f"{option}: expected the name of a field"
        if len(set(named.values())) < len(named):
            yield f"{', '.join(named)}: expected three different fields"


def to_document(record: object, fields: Fields, place: Place) -> Document:
    """Raises UnusableRecord. Without an id, the content's hash is one."""
    if not isinstance(record, dict):
        raise UnusableRecord(f"is JSON, but {_kind(record)}; expected an object with fields")
    rest = dict(record)
    text = _text(rest, fields)
    title = rest.pop(fields.title, None) or ""
    if not isinstance(title, str):
        raise UnusableRecord(f"field {fields.title!r} is {_kind(title)}; expected a string")
    name, identity = _popped_id(rest, fields)
    metadata = _metadata(rest)
    if title:
        metadata = {"title": title, **metadata}
    encoded = _encodable(metadata, text)
    if identity is None:
        identity = hashlib.sha256(text.encode() + b"\0" + encoded).hexdigest()[:24]
    return Document(_identity(identity, name), text, title.strip(), metadata, place=place)


def _popped_id(record: dict[str, Any], fields: Fields) -> tuple[str, object]:
    """The id and the field that it stood in."""
    identity = record.pop(fields.id, None)
    if identity is None and fields.id == "id":
        return "_id", record.pop("_id", None)
    return fields.id, identity


def _text(record: dict[str, Any], fields: Fields) -> str:
    if fields.text not in record:
        there = ", ".join(map(repr, list(record)[:8])) or "none"
        raise UnusableRecord(f"no field {fields.text!r} (fields: {there}); see --text-field")
    text = record.pop(fields.text)
    if not isinstance(text, str):
        raise UnusableRecord(f"field {fields.text!r} is {_kind(text)}; expected a string")
    if not text.strip():
        raise UnusableRecord(f"field {fields.text!r} is empty")
    if len(text) > MAX_TEXT:
        raise UnusableRecord(f"text of {len(text)} characters; expected at most {MAX_TEXT}")
    return text


def _identity(identity: object, field: str) -> str:
    identity = _as_text(identity, field)
    if not 1 <= len(identity.encode("utf-8", "replace")) <= _MAX_ID or "\0" in identity:
        raise UnusableRecord(f"field {field!r}: expected 1 to {_MAX_ID} bytes without NUL")
    if any("\ud800" <= sign <= "\udfff" for sign in identity):
        raise UnusableRecord(f"field {field!r} is not valid Unicode")
    return identity


def _as_text(identity: object, field: str) -> str:
    text = as_text(identity)
    if text is None:
        raise UnusableRecord(
            f"field {field!r} is {_kind(identity)}; expected a string, an integer, an ObjectId or "
            "a UUID"
        )
    return text


def _metadata(rest: dict[str, Any]) -> dict[str, Any]:
    """All other fields; an object called `metadata` is opened, as BEIR and others write it."""
    inner = rest.pop("metadata", None) or {}
    if not isinstance(inner, dict):
        raise UnusableRecord(f"field 'metadata' is {_kind(inner)}; expected an object")
    if both := sorted(set(inner) & set(rest)):
        raise UnusableRecord(f"field {both[0]!r} stands both beside and inside 'metadata'")
    return {**rest, **inner}


def _encodable(metadata: Mapping[str, Any], text: str) -> bytes:
    try:
        text.encode()
        encoded = bson.encode(metadata)
    except UnicodeEncodeError as error:
        raise UnusableRecord(
            "not UTF-8, or half of a surrogate pair; expected valid Unicode"
        ) from error
    except (BSONError, OverflowError, ValueError, TypeError, RecursionError) as error:
        raise UnusableRecord(f"metadata that MongoDB cannot hold: {error}") from error
    if len(encoded) > _MAX_METADATA:
        raise UnusableRecord(f"metadata of {len(encoded)} bytes; expected at most {_MAX_METADATA}")
    return encoded


def _kind(value: object) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "of another type")
