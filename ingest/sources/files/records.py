"""From a record with named fields to a Document, or to the reason why it is none."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from leafsearch.config.text import is_unicode, quote, quote_all
from leafsearch.ingest.document import Document, Place
from leafsearch.ingest.sources.files.kinds import UnusableRecord, kind
from leafsearch.ingest.sources.files.metadata import encoded, not_unicode, opened
from leafsearch.vectors.store.document_ids import as_text

__all__ = ["MAX_TEXT", "Fields", "UnusableRecord", "to_document"]

_MAX_ID = 1024  # bytes
MAX_TEXT = 64 * 2**20  # characters of one document


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
    """Raises UnusableRecord. Without an id, the content's hash is one."""
    if not isinstance(record, dict):
        raise UnusableRecord(f"is JSON, but {kind(record)}; expected an object with fields")
    rest = record.copy()
    text = _text(rest, fields)
    title = rest.pop(fields.title, None) or ""
    if not isinstance(title, str):
        raise UnusableRecord(f"field {quote(fields.title)} is {kind(title)}; expected a string")
    name, identity = _popped_id(rest, fields)
    metadata = opened(rest)
    if title:
        if fields.title == "title" and metadata.get("title", title) != title:
            raise UnusableRecord("field 'title' is there twice: also in the object 'metadata'")
        metadata = {"title": title, **metadata}
    storable = encoded(metadata)
    if identity is None:
        identity = hashlib.sha256(text.encode() + b"\0" + storable).hexdigest()[:24]
    return Document(
        _identity(identity, name), text, title.strip(), metadata, place, source, storable
    )


def _popped_id(record: dict[str, Any], fields: Fields) -> tuple[str, object]:
    """The id and the field that it stood in."""
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
        raise UnusableRecord(f"field {quote(fields.text)} is {kind(text)}; expected a string")
    if not text.strip():
        raise UnusableRecord(f"field {quote(fields.text)} is empty")
    if not text.isascii():
        _demand_unicode(text)
    if len(text) > MAX_TEXT:
        raise UnusableRecord(f"text of {len(text)} characters; expected at most {MAX_TEXT}")
    return text


def _demand_unicode(text: str) -> None:
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
    text = as_text(identity)
    if text is None:
        raise UnusableRecord(
            f"field {quote(field)} is {kind(identity)}; expected a string, an integer, an "
            "ObjectId or a UUID"
        )
    return text
