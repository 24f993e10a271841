"""Turn a record with named fields into a Document, or into the reason for rejecting it."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from bson import Decimal128, ObjectId

from leafsearch.config.text import is_unicode, quote, quote_all, shorten
from leafsearch.ingest.document import Document, Place
from leafsearch.ingest.sources.files.storable import (
    DEEPEST,
    TOO_DEEP,
    UnusableRecord,
    not_unicode,
    store,
)
from leafsearch.vectors import join_texts, take_values
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
__all__ = ["DEEPEST", "MAX_TEXT", "TOO_DEEP", "Fields", "UnusableRecord", "to_document"]

_MAX_ID = 1024  # bytes
MAX_TEXT = 64 * 2**20  # characters of one document


def kind_of_value(value: object) -> str:
    return next((name for found, name in _KINDS if isinstance(value, found)), "of another type")


def open_metadata(rest: dict[str, Any]) -> dict[str, Any]:
    """Merge an object called `metadata` into the record, as BEIR and others write it; a field
    of this name with any other value is an ordinary one."""
    inner = rest.get("metadata")
    if inner is None:
        rest.pop("metadata", None)
        return rest
    if not isinstance(inner, dict):
        return rest
    del rest["metadata"]
    if both := sorted(set(inner) & set(rest)):
        raise UnusableRecord(f"field {quote(both[0])} occurs both beside and inside 'metadata'")
    return {**rest, **inner}


@dataclass(frozen=True)
class Fields:
    """Paths of the fields that are not metadata. `id` may also be called `_id`.

    `text` is one path or several; the texts of several are joined with a blank line. A field may
    be both a text and the title: it is stored as the title, and not encoded a second time.
    """

    id: str = "id"
    text: str | Sequence[str] = "text"
    title: str = "title"
    texts: tuple[str, ...] = field(init=False, compare=False, repr=False)
    has_title_in_text: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        texts = (self.text,) if isinstance(self.text, str) else tuple(self.text)
        object.__setattr__(self, "texts", texts)
        object.__setattr__(self, "has_title_in_text", self.title in texts)
        object.__setattr__(self, "text", texts[0] if len(texts) == 1 else texts)

    @property
    def always_text(self) -> tuple[str, ...]:
        """Columns of a table that have no other type."""
        return (*self.texts, self.title, self.id, *(("_id",) if self.id == "id" else ()))

    def problems(self) -> Iterator[str]:
        texts = [("--text-field", name) for name in self.texts]
        named = [("--id-field", self.id), *texts, ("--title-field", self.title)]
        if not texts:
            yield "--text-field: expected the name of a field"
        for option, name in named:
            if not name or not is_unicode(name) or "" in name.split("."):
                yield f"{option}: expected the name of a field"
        if len(set(self.texts)) < len(self.texts):
            yield "--text-field: expected different fields"
        if self.id in (*self.texts, self.title):
            yield f"--id-field {shorten(self.id, 80)}: is a text or the title as well"


class Parts(NamedTuple):
    """A record taken apart; `rest` is what is neither text nor title."""

    text: str
    title: str  # as it is stored
    rest: dict[str, Any]


def split_record(record: Mapping[str, Any], fields: Fields) -> Parts:
    """Raises UnusableRecord."""
    rest = dict(record)
    title = _title(dict(record) if fields.has_title_in_text else rest, fields)
    return Parts(_text(rest, fields), title, rest)


@dataclass
class AbsentTexts:
    """The paths of texts that no record has had so far, if several are asked for."""

    paths: set[str]

    @classmethod
    def of(cls, fields: Fields) -> "AbsentTexts":
        return cls(set(fields.texts) if len(fields.texts) > 1 else set())

    def look_at(self, record: object) -> None:
        if self.paths and isinstance(record, dict):
            copied = dict(record)
            self.paths -= {path for path in self.paths if take_values(copied, path)}


def to_document(record: object, fields: Fields, place: Place, source: str = "") -> Document:
    """Raises UnusableRecord. A record without an id gets a hash of its content as id."""
    if not isinstance(record, dict):
        raise UnusableRecord(
            f"is JSON, but {kind_of_value(record)}; expected an object with fields"
        )
    parts = split_record(record, fields)
    name, identity = _popped_id(parts.rest, fields)
    metadata = open_metadata(parts.rest)
    if title := parts.title:
        if fields.title == "title" and metadata.get("title", title) != title:
            raise UnusableRecord("field 'title' occurs twice: also in the object 'metadata'")
        metadata = {"title": title, **metadata}
    stored = store(metadata)
    if identity is None:
        identity = hashlib.sha256(parts.text.encode() + b"\0" + stored.encoded).hexdigest()[:24]
    return Document(
        _identity(identity, name),
        parts.text,
        "" if fields.has_title_in_text else title.strip(),
        stored.metadata,
        place,
        source,
        stored.encoded,
        notes=stored.notes,
    )


def _popped_id(record: dict[str, Any], fields: Fields) -> tuple[str, object]:
    """The id and the field that held it."""
    identity = _taken(record, fields.id)
    if identity is None and fields.id == "id":
        return "_id", record.pop("_id", None)
    return fields.id, identity


def _title(record: dict[str, Any], fields: Fields) -> str:
    title = _taken(record, fields.title) or ""
    if not isinstance(title, str):
        raise UnusableRecord(
            f"field {quote(fields.title)} is {kind_of_value(title)}; expected a string"
        )
    return title


def _taken(record: dict[str, Any], path: str) -> Any:
    """Remove the value at a path from the record and return it, or None."""
    if path in record:  # as nearly always
        return record.pop(path)
    found = take_values(record, path)
    if len(found) > 1:
        raise UnusableRecord(
            f"field {quote(path)} occurs {len(found)} times, in an array; expected one"
        )
    return found[0] if found else None


def _text(record: dict[str, Any], fields: Fields) -> str:
    path = fields.texts[0]
    if len(fields.texts) == 1 and path in record:  # as nearly always
        text = record.pop(path)
        if not isinstance(text, str):
            raise _no_string(path, text)
    else:
        text = _joined(record, fields)
    if not text.strip():
        raise UnusableRecord(f"field {_named(fields)} is empty")
    if not text.isascii():
        _require_unicode(text)
    if len(text) > MAX_TEXT:
        raise UnusableRecord(f"text of {len(text)} characters; expected at most {MAX_TEXT}")
    return text


def _joined(record: dict[str, Any], fields: Fields) -> str:
    """The texts of several fields, or of objects in an array."""
    several = len(fields.texts) > 1
    texts, is_there = list[str](), False
    for path in fields.texts:
        found = take_values(record, path)
        is_there = is_there or bool(found)
        for text in found:
            if text is None and (several or len(found) > 1):
                continue
            if not isinstance(text, str):
                raise _no_string(path, text)
            texts.append(text)
    if not is_there:
        there = f" (fields: {quote_all(map(repr, record))})" if record else ""
        raise UnusableRecord(f"no field {_named(fields)}{there}; {_advice(record, fields)}")
    return texts[0] if len(texts) == 1 else join_texts(texts)


def _advice(record: dict[str, Any], fields: Fields) -> str:
    """What to do about a record without a text; it may be the object around the records."""
    first = fields.texts[0]
    for name, value in record.items():
        if isinstance(value, list) and value and isinstance(value[0], dict) and first in value[0]:
            return (
                f"the records are in the array {quote(name)}: write it into a file of its own "
                f"(jq '.{name}' FILE)"
            )
    return "see --text-field"


def _no_string(path: str, value: object) -> UnusableRecord:
    return UnusableRecord(f"field {quote(path)} is {kind_of_value(value)}; expected a string")


def _named(fields: Fields) -> str:
    return " or ".join(map(quote, fields.texts[:8]))


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
