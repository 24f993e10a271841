"""Turn a record with named fields into a Document, or into the reason for rejecting it."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import bson
from bson import Decimal128, ObjectId
from bson.errors import BSONError

from leafsearch.config.text import is_unicode, quote, quote_all
from leafsearch.ingest.document import Document, Place
from leafsearch.vectors.store import id_to_text

_KINDS: Sequence[tuple[type, str]] = (
    (dict, "an object"),
    (list, "an array"),
    (str, "a string"),
    (type(None), "null"),
    (bool, "a boolean"),  # before int: Python counts it as one
    (float, "a number with a fraction"),
    (int, "a number"),
    (ObjectId, "an ObjectId"),
    (UUID, "a UUID"),
    (datetime, "a date"),
    (Decimal128, "a decimal number"),
    (bytes, "binary"),
)
# Every chunk carries a copy. MongoDB limits a document to 16 MiB, including text and vector, and to
# 180 levels, of which the chunk itself is one.
_MAX = 15 * 2**20  # bytes
DEEPEST = 179  # levels of objects and arrays, the metadata itself being the first
TOO_DEEP = f"nested more than {DEEPEST} levels deep, which MongoDB cannot store"
_NESTING = frozenset({dict, list, tuple})
__all__ = ["MAX_TEXT", "Fields", "UnusableRecord", "to_document"]

_MAX_ID = 1024  # bytes
MAX_TEXT = 64 * 2**20  # characters of one document


class UnusableRecord(Exception):
    """The reason, as a phrase."""


def kind_of_value(value: object) -> str:
    return next((name for found, name in _KINDS if isinstance(value, found)), "of another type")


def open_metadata(rest: dict[str, Any]) -> dict[str, Any]:
    """Merge an object called `metadata` into the record, as BEIR and others write it."""
    inner = rest.pop("metadata", None)
    if not inner:
        return rest
    if not isinstance(inner, dict):
        raise UnusableRecord(f"field 'metadata' is {kind_of_value(inner)}; expected an object")
    if both := sorted(set(inner) & set(rest)):
        raise UnusableRecord(f"field {quote(both[0])} occurs both beside and inside 'metadata'")
    return {**rest, **inner}


def encode_metadata(metadata: Mapping[str, Any]) -> bytes:
    """Metadata as MongoDB stores it. Raises UnusableRecord for what it cannot store."""
    if _is_deeper(metadata, DEEPEST):
        raise UnusableRecord(TOO_DEEP)
    try:
        found = bson.encode(metadata)
    except UnicodeEncodeError as error:
        raise not_unicode() from error
    except (BSONError, OverflowError, ValueError, TypeError, RecursionError) as error:
        raise UnusableRecord(f"metadata that MongoDB cannot store: {error}") from error
    if len(found) > _MAX:
        raise UnusableRecord(
            f"metadata of {len(found):,} bytes; expected at most {_MAX:,}, since each chunk "
            "carries a copy and MongoDB limits a document to 16 MiB"
        )
    return found


def _is_deeper(value: Any, most: int) -> bool:
    """Walk level by level, so that no depth exhausts the stack."""
    level = [value]
    for _ in range(most):
        level = [inner for outer in level for inner in _nested_in(outer)]
        if not level:
            return False
    return True


def _nested_in(outer: Any) -> list[Any]:
    values = outer.values() if isinstance(outer, Mapping) else outer
    if _NESTING.isdisjoint(map(type, values)):  # as nearly always, and ten times faster
        return []
    return [value for value in values if type(value) in _NESTING]


def not_unicode() -> UnusableRecord:
    return UnusableRecord("not UTF-8, or half of a surrogate pair; expected valid Unicode")


@dataclass(frozen=True)
class Fields:
    """Names of the fields that are not metadata. `id` may also be called `_id`."""

    id: str = "id"
    text: str = "text"
    title: str = "title"

    def problems(self) -> Iterator[str]:
        named = {"--id-field": self.id, "--text-field": self.text, "--title-field": self.title}
        for option, name in named.items():
            if not name or not is_unicode(name):
                yield f"{option}: expected the name of a field"
        if len(set(named.values())) < len(named):
            yield f"{', '.join(named)}: expected three different fields"


def to_document(record: object, fields: Fields, place: Place, source: str = "") -> Document:
    """Raises UnusableRecord. A record without an id gets a hash of its content as id."""
    if not isinstance(record, dict):
        raise UnusableRecord(
            f"is JSON, but {kind_of_value(record)}; expected an object with fields"
        )
    rest = record.copy()
    text = _text(rest, fields)
    title = rest.pop(fields.title, None) or ""
    if not isinstance(title, str):
        raise UnusableRecord(
            f"field {quote(fields.title)} is {kind_of_value(title)}; expected a string"
        )
    name, identity = _popped_id(rest, fields)
    metadata = open_metadata(rest)
    if title:
        if fields.title == "title" and metadata.get("title", title) != title:
            raise UnusableRecord("field 'title' occurs twice: also in the object 'metadata'")
        metadata = {"title": title, **metadata}
    storable = encode_metadata(metadata)
    if identity is None:
        identity = hashlib.sha256(text.encode() + b"\0" + storable).hexdigest()[:24]
    return Document(
        _identity(identity, name), text, title.strip(), metadata, place, source, storable
    )


def _popped_id(record: dict[str, Any], fields: Fields) -> tuple[str, object]:
    """The id and the field that held it."""
    identity = record.pop(fields.id, None)
    if identity is None and fields.id == "id":
        return "_id", record.pop("_id", None)
    return fields.id, identity


def _text(record: dict[str, Any], fields: Fields) -> str:
    if fields.text not in record:
        there = quote_all(map(repr, record)) or "none"
        raise UnusableRecord(f"no field {quote(fields.text)} (fields: {there}); see --text-field")
    text = record.pop(fields.text)
    if not isinstance(text, str):
        raise UnusableRecord(
            f"field {quote(fields.text)} is {kind_of_value(text)}; expected a string"
        )
    if not text.strip():
        raise UnusableRecord(f"field {quote(fields.text)} is empty")
    if not text.isascii():
        _require_unicode(text)
    if len(text) > MAX_TEXT:
        raise UnusableRecord(f"text of {len(text)} characters; expected at most {MAX_TEXT}")
    return text


def _require_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise not_unicode() from error


def _identity(identity: object, field: str) -> str:
    if type(identity) is not str:
        identity = _as_text(identity, field)
    if identity.isascii() and 1 <= len(identity) <= _MAX_ID and "\0" not in identity:
        return identity
    if not 1 <= len(identity.encode("utf-8", "replace")) <= _MAX_ID or "\0" in identity:
        raise UnusableRecord(f"field {quote(field)}: expected 1 to {_MAX_ID} bytes without NUL")
    if not is_unicode(identity):
        raise UnusableRecord(f"field {quote(field)} is not valid Unicode")
    return identity


def _as_text(identity: object, field: str) -> str:
    text = id_to_text(identity)
    if text is None:
        raise UnusableRecord(
            f"field {quote(field)} is {kind_of_value(identity)}; expected a string, an integer, an "
            "ObjectId or a UUID"
        )
    return text
