"""From a stored document of somebody else's to a Document, or to the reason why it is none.

Its fields keep their BSON types and their names: a field `year` becomes `metadata.year`, whatever
else there is.
"""

from collections.abc import Collection, Mapping
from typing import Any

from bson import json_util

from leafsearch.config.text import quote, quote_all
from leafsearch.ingest.document import Document, Place, Rejected
from leafsearch.ingest.sources.files.records import Fields, UnusableRecord, to_document

_KEPT = 10_000  # characters of a rejected document
_MISSING = object()


def read_document(
    stored: Mapping[str, Any], fields: Fields, source: str, left_out: Collection[str]
) -> Document | Rejected:
    """`fields.text` and `fields.title` may be paths with dots; `left_out` are names of fields."""
    rest = {name: value for name, value in stored.items() if name not in left_out}
    place = Place(f"{source} _id {quote(stored['_id'])}")
    record: dict[str, Any] = {"_id": rest.pop("_id")}
    for name, path in (("text", fields.text), ("title", fields.title)):
        if (value := _taken(rest, path)) is not _MISSING:
            record[getattr(fields, name)] = value
    try:
        if fields.text not in record:
            _refuse_without_text(rest, fields.text)
        own = {"metadata": rest} if rest else {}
        made = to_document({**record, **own}, Fields("_id", fields.text, fields.title), place)
    except UnusableRecord as error:
        return Rejected(place, str(error), _shown(stored, left_out))
    # As it is stored, so that it can be compared with what is stored.
    title = record.get(fields.title) or ""
    return Document(made.id, made.text, title, made.metadata, place, source)


def _taken(rest: dict[str, Any], path: str) -> Any:
    """The value at a path, which is gone from `rest` then; what it held is left as it was."""
    if path in rest:
        return rest.pop(path)
    name, _, below = path.partition(".")
    inner = rest.get(name)
    if not below or not isinstance(inner, Mapping):
        return _MISSING
    copied = dict(inner)
    value = _taken(copied, below)
    if value is not _MISSING:
        rest[name] = copied
        if not copied:
            del rest[name]
    return value


def _refuse_without_text(rest: Mapping[str, Any], path: str) -> None:
    there = f" (fields: {quote_all(map(repr, rest))})" if rest else ""
    raise UnusableRecord(f"no field {quote(path)}{there}; see --text-field")


def _shown(stored: Mapping[str, Any], left_out: Collection[str]) -> str:
    """As Extended JSON, cut off where it is long."""
    some = {name: _short(v) for name, v in stored.items() if name not in left_out}
    return json_util.dumps(some, json_options=json_util.RELAXED_JSON_OPTIONS, default=str)[:_KEPT]


def _short(value: Any) -> Any:
    return value[:_KEPT] if isinstance(value, str | bytes) else value
