"""Parses the `mappings` of a search index, dynamic or by field.

Supported are the types and options that text search with filters needs. An error for others of the
real server lists the supported ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from leafmongo.engine.definition import PARTITIONS
from leafmongo.engine.errors import Refused
from leafmongo.engine.filters.values import KeyKind
from leafmongo.engine.parser import Section, parse_definition_by, show
from leafmongo.engine.text.analyzers import ANALYZERS, STANDARD

# By type of field: its options with their supported values.
_ANALYZED = {"analyzer": ANALYZERS, "searchAnalyzer": ANALYZERS}
_OPTIONS: dict[str, dict[str, Sequence[Any]]] = {
    "string": {
        **_ANALYZED,
        "indexOptions": ["freqs", "positions", "offsets"],
        "norms": ["include"],
        "store": [True, False],
    },
    "token": {"normalizer": ["none", "lowercase"]},
    "number": {"representation": ["double"], "indexIntegers": [True], "indexDoubles": [True]},
    "date": {},
    "boolean": {},
    "objectId": {},
    "uuid": {},
    "document": {},
}
_UNSUPPORTED = ("analyzers", "synonyms", "typeSets", "sort")
_KINDS = {
    "number": frozenset({KeyKind.INT, KeyKind.DOUBLE}),
    "date": frozenset({KeyKind.DATE}),
    "boolean": frozenset({KeyKind.BOOLEAN}),
    "objectId": frozenset({KeyKind.OBJECT_ID}),
    "uuid": frozenset({KeyKind.UUID}),
    "token": frozenset({KeyKind.STRING}),
}


@dataclass(frozen=True)
class TextField:
    """How the values at a path are indexed. `kinds` are those that filters can compare; an analyzer
    that is None is the index's."""

    text: bool = False
    analyzer: str | None = None
    search_analyzer: str | None = None
    kinds: frozenset[KeyKind] = frozenset({KeyKind.NULL})
    lowercase: bool = False
    document: "Mappings | None" = None


@dataclass(frozen=True)
class Mappings:
    dynamic: bool = False
    fields: Mapping[str, TextField] = field(default_factory=dict)

    def of(self, key: str) -> TextField | None:
        found = self.fields.get(key)
        return DYNAMIC if found is None and self.dynamic else found


# Strings are indexed as words, not as tokens: equality requires a token field, as on the server.
DYNAMIC = TextField(
    text=True,
    kinds=frozenset({KeyKind.NULL}).union(*(k for t, k in _KINDS.items() if t != "token")),
    document=Mappings(dynamic=True),
)


@dataclass(frozen=True)
class TextDefinition:
    mappings: Mappings
    analyzer: str = STANDARD
    search_analyzer: str = STANDARD

    def analyzers(self, path: str) -> tuple[str, str]:
        """The analyzers of the texts at a path, and of what is asked there."""
        field = self.field(path) or TextField()
        asked = field.search_analyzer or field.analyzer or self.search_analyzer
        return field.analyzer or self.analyzer, asked

    def field(self, path: str) -> TextField | None:
        """The mapping at a dotted path; None if it is not indexed."""
        mappings: Mappings | None = self.mappings
        found: TextField | None = None
        for segment in path.split("."):
            found = mappings.of(segment) if mappings else None
            mappings = found.document if found else None
        return found

    def projection(self) -> dict[str, Any] | None:
        """The fields to read of documents, for find(); None for whole documents."""
        if self.mappings.dynamic:
            return None
        return dict.fromkeys([*self.mappings.fields, "_id"], 1)


def parse_text_definition(
    definition: Mapping[str, Any], *, context: str = "userCommand.indexes[0]", strict: bool = False
) -> TextDefinition:
    """`strict` refuses unknown top-level keys: updateSearchIndex does, createSearchIndexes not."""
    return parse_definition_by(lambda section: _parse(section, strict=strict), definition, context)


def _parse(section: Section, *, strict: bool) -> TextDefinition:
    mappings = _mappings(section.need("mappings", section.section("mappings")))
    if not mappings.dynamic and not mappings.fields:
        raise section.refused("mappings", "must be dynamic or have fields: it indexes nothing")
    _check_options(section, _ANALYZED)
    _check_partitions(section)
    for key in _UNSUPPORTED:
        if section.value(key):
            raise section.refused(key, "is not supported here")
    if section.value("storedSource"):
        raise section.refused("storedSource", "is not supported here for an index of type search")
    if strict:
        section.refuse_other_keys()
    analyzer = section.value("analyzer") or STANDARD
    return TextDefinition(mappings, analyzer, section.value("searchAnalyzer") or analyzer)


def _check_partitions(section: Section) -> None:
    partitions = section.integer("numPartitions")
    if partitions is not None and partitions not in PARTITIONS:
        raise section.refused("numPartitions", f"must be one of {list(PARTITIONS)}")


def _mappings(section: Section) -> Mappings:
    dynamic = section.value("dynamic")
    if isinstance(dynamic, Mapping):
        raise section.refused("dynamic", "must be true or false here; type sets are not supported")
    dynamic = section.boolean("dynamic") or False
    listed = section.section("fields")
    section.refuse_other_keys()
    return Mappings(dynamic, _fields(section.value("fields"), listed) if listed else {})


def _fields(fields: Mapping[str, Any], section: Section) -> dict[str, TextField]:
    for name in fields:
        if not name or name.startswith("$") or "." in name:
            raise section.refused(name, 'is not a field name; nest with type "document"')
    return {name: _field(entry, section.name(name)) for name, entry in fields.items()}


def _field(entry: Any, where: str) -> TextField:
    """Parse the definition of a path, or several of different types."""
    entries = entry if isinstance(entry, list) else [entry]
    if not entries:
        raise Refused(f'"{where}" cannot be empty')
    types: dict[str, Section] = {}
    for each in entries:
        if not isinstance(each, Mapping):
            raise Refused(f'"{where}" must be a document; {show(each)} was given')
        section = Section(each, where)
        kind = _type(section)
        if kind in types:
            raise Refused(f'"{where}" has type "{kind}" twice')
        types[kind] = section
    return _combine_types(types)


def _type(section: Section) -> str:
    kind = section.need("type", section.text("type"))
    if kind not in _OPTIONS:
        raise section.refused(
            "type", f'"{kind}" is not supported here; supported are {", ".join(sorted(_OPTIONS))}'
        )
    return kind


def _combine_types(types: Mapping[str, Section]) -> TextField:
    for kind, section in types.items():
        _check_options(section, _OPTIONS[kind])
        if kind != "document":
            section.refuse_other_keys()
    token, document = types.get("token"), types.get("document")
    string = types.get("string")
    kinds = (_KINDS.get(kind, frozenset()) for kind in types)
    return TextField(
        text=string is not None,
        analyzer=string.value("analyzer") if string else None,
        search_analyzer=string.value("searchAnalyzer") if string else None,
        kinds=frozenset({KeyKind.NULL}).union(*kinds),
        lowercase=token is not None and token.value("normalizer") == "lowercase",
        document=_mappings(document) if document else None,
    )


def _check_options(section: Section, options: Mapping[str, Sequence[Any]]) -> None:
    for key, supported in options.items():
        value = section.value(key)
        if value is not None and value not in supported:
            allowed = ", ".join(str(each) for each in supported)
            raise section.refused(
                key, f"is {show(value)}, which is not supported here; supported: {allowed}"
            )
