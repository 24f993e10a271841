"""From a record with named fields to a Document, or to the reason why it is none."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import bson
from bson.errors import BSONError

from ingest.document import Document, Place

_MAX_ID = 1024  # bytes
MAX_TEXT = 64 * 2**20  # characters of one document
_MAX_METADATA = 8 * 2**20  # bytes; every chunk carries a copy, and MongoDB ends at 16 MiB


class UnusableRecord(Exception):
    """The reason, as a phrase."""


@dataclass(frozen=True)
class Fields:
    """Names of the fields that are not metadata. `id` may also be called `_id`."""

    id: str = "id"
    text: str = "text"
    title: str = "title"


def to_document(record: object, fields: Fields, place: Place) -> Document:
    """Raises UnusableRecord. Without an id, the content's hash is one."""
    if not isinstance(record, dict):
        raise UnusableRecord(f"is JSON, but {_kind(record)}; expected an object with fields")
    rest = dict(record)
    text = _text(rest, fields)
    title = rest.pop(fields.title, None) or ""
    if not isinstance(title, str):
        raise UnusableRecord(f"field {fields.title!r} is {_kind(title)}; expected a string")
    identity = rest.pop(fields.id, None)
    if identity is None and fields.id == "id":
        identity = rest.pop("_id", None)
    metadata = _metadata(rest)
    if title:
        metadata = {"title": title, **metadata}
    encoded = _encodable(metadata, text)
    if identity is None:
        identity = hashlib.sha256(text.encode() + b"\0" + encoded).hexdigest()[:24]
    return Document(_identity(identity, fields), text, title.strip(), metadata, place)


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


def _identity(identity: object, fields: Fields) -> str:
    if isinstance(identity, bool) or not isinstance(identity, str | int):
        raise UnusableRecord(
            f"field {fields.id!r} is {_kind(identity)}; expected a string or an integer"
        )
    identity = str(identity)
    if not 1 <= len(identity.encode("utf-8", "replace")) <= _MAX_ID or "\0" in identity:
        raise UnusableRecord(f"field {fields.id!r}: expected 1 to {_MAX_ID} bytes without NUL")
    if any("\ud800" <= sign <= "\udfff" for sign in identity):
        raise UnusableRecord(f"field {fields.id!r} is not valid Unicode")
    return identity


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
    names = {dict: "an object", list: "an array", str: "a string", type(None): "null"}
    return names.get(type(value), "a boolean" if isinstance(value, bool) else "a number")
