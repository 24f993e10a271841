"""Reads documents into texts and filter values by path, according to their mappings.

An array, nested or not, counts as several values of its path; a document in an array is read like
one outside.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from leafmongo.engine.documents.batch import IdKey, id_key
from leafmongo.engine.filters.values import Key, KeyKind, indexed_key
from leafmongo.engine.text.mappings import Mappings, TextField


@dataclass
class TextRows:
    """Rows are numbered from 0 in the batch; `columns` has a list of keys for each row.

    A row is in the column of every mapped path that it has, even without keys.
    """

    ids: list[Any] = field(default_factory=list)
    keys: list[IdKey] = field(default_factory=list)
    texts: list[dict[str, str]] = field(default_factory=list)
    columns: dict[str, tuple[list[int], list[list[Key]]]] = field(default_factory=dict)


class _DocumentValues:
    """The texts and keys of one document."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.keys: dict[str, list[Key]] = {}

    def walk(self, document: Mapping[str, Any], mappings: Mappings, prefix: str) -> None:
        for key, value in document.items():
            mapped = mappings.of(key)
            if mapped is not None:
                self._visit(value, mapped, prefix + key)

    def _visit(self, value: Any, mapped: TextField, path: str) -> None:
        keys = self.keys.setdefault(path, [])
        if isinstance(value, list):
            for element in value:
                self._visit(element, mapped, path)
        elif isinstance(value, Mapping):
            if mapped.document is not None:
                self.walk(value, mapped.document, path + ".")
        else:
            if mapped.text and isinstance(value, str):
                self.texts.setdefault(path, []).append(value)
            keys.extend(_key(value, mapped))


def _key(value: Any, mapped: TextField) -> list[Key]:
    key = indexed_key(value)
    if key is None or key.kind not in mapped.kinds:
        return []
    if mapped.lowercase and key.kind is KeyKind.STRING:
        key = indexed_key(value.lower())
    return [key] if key is not None else []


def read(documents: Iterable[Mapping[str, Any]], mappings: Mappings) -> TextRows:
    rows = TextRows()
    for row, document in enumerate(documents):
        found = _DocumentValues()
        found.walk(document, mappings, "")
        rows.ids.append(document["_id"])
        rows.keys.append(id_key(document["_id"]))
        # No word spans lines, so the texts stay separate.
        rows.texts.append({path: "\n".join(texts) for path, texts in found.texts.items()})
        for path, keys in found.keys.items():
            listed, values = rows.columns.setdefault(path, ([], []))
            listed.append(row)
            values.append(keys)
    return rows
