"""Parses a `$search` stage into a tree of operators.

text        words, scored            equals, in, range, exists   a filter that scores 1
compound    must, should, mustNot, filter
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from leafmongo.engine.errors import CommandError, Refused, search_error
from leafmongo.engine.filters.syntax import (
    MAX_CLAUSES,
    Equals,
    Exists,
    In,
    Range,
    exceeds_limit,
    parse_keys,
)
from leafmongo.engine.filters.values import KeyKind, equality_key, range_key
from leafmongo.engine.parser import Section, show

_MAX_CHARACTERS = 100_000  # of queries; on the real server each word is a clause
_CLAUSES = ("must", "should", "mustNot", "filter")
DEFAULT_INDEX = "default"
_UNSUPPORTED_OPERATORS = [
    *("allDocuments", "autocomplete", "embeddedDocument", "facet", "geoShape", "geoWithin"),
    *("hasAncestor", "hasRoot", "knnBeta", "moreLikeThis", "near", "phrase", "queryString"),
    *("regex", "search", "span", "term", "vectorSearch", "wildcard"),
]
_UNSUPPORTED_OPTIONS = [
    *("count", "explainOptions", "highlight", "returnScope", "searchAfter", "searchBefore"),
    *("sort", "tracking"),
]


@dataclass(frozen=True)
class TextPath:
    """In a `wildcard` pattern, `*` stands for any characters."""

    pattern: str
    wildcard: bool = False


@dataclass(frozen=True)
class Text:
    """Any of the queries at any of the paths; scores add up."""

    paths: tuple[TextPath, ...]
    queries: tuple[str, ...]
    all_terms: bool = False


@dataclass(frozen=True)
class Between:
    """A single value of the path is within all the bounds."""

    path: str
    bounds: tuple[Range, ...]


Comparison = Equals | In | Between | Exists


@dataclass(frozen=True)
class AnyComparison:
    """A comparison at several paths; a match scores 1."""

    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Compound:
    must: tuple["Operator", ...] = ()
    must_not: tuple["Operator", ...] = ()
    should: tuple["Operator", ...] = ()
    filter: tuple["Operator", ...] = ()
    minimum_should_match: int = 0


Operator = Text | AnyComparison | Compound


def _equals(section: Section) -> AnyComparison:
    refuse_keys(section, "score", "doesNotAffect")
    path = section.need("path", section.text("path"))
    key = equality_key(_given(section, "value"), section.name("value"))
    return AnyComparison((Equals(path, key),))


def _in(section: Section) -> AnyComparison:
    refuse_keys(section, "score", "doesNotAffect")
    value = _given(section, "value")
    keys = parse_keys(value if isinstance(value, list) else [value], section.name("value"))
    return AnyComparison(tuple(In(path, keys) for path in parse_strings(section, "path")))


def _range(section: Section) -> AnyComparison:
    refuse_keys(section, "score", "doesNotAffect")
    values = {key: section.value(key) for key in ("gt", "gte", "lt", "lte")}
    keys = {
        f"${key}": range_key(value, section.name(key))
        for key, value in values.items()
        if value is not None
    }
    if not keys or {"$gt", "$gte"} <= set(keys) or {"$lt", "$lte"} <= set(keys):
        raise Refused(f'"{section.where}" needs one of [gt, gte], one of [lt, lte] or both')
    kinds = {KeyKind.INT if key.kind is KeyKind.DOUBLE else key.kind for key in keys.values()}
    if len(kinds) > 1:
        raise Refused(f'"{section.where}" has bounds of different types')
    paths = parse_strings(section, "path")
    return AnyComparison(
        tuple(Between(p, tuple(Range(p, each, key) for each, key in keys.items())) for p in paths)
    )


def _exists(section: Section) -> AnyComparison:
    refuse_keys(section, "score")
    return AnyComparison((Exists(section.need("path", section.text("path"))),))


def parse_strings(section: Section, key: str) -> tuple[str, ...]:
    """Parse a string or an array of strings."""
    value = _given(section, key)
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(each, str) and each for each in listed):
        raise section.refused(
            key, f"must be a string or an array of strings, none empty; {show(value)} was given"
        )
    return tuple(listed)


def refuse_keys(section: Section, *keys: str) -> None:
    for key in keys:
        if section.value(key) is not None:
            raise section.refused(key, "is not supported here")


def _given(section: Section, key: str) -> Any:
    """The value, which may be null but not missing."""
    if not section.has(key):
        raise section.refused(key, "is required")
    return section.value(key)


def parse_operator(stage: Mapping[str, Any], section: Section) -> Operator:
    """Parse the operator of a `$search` stage.

    All its clauses together are limited as on the real server, by Lucene.
    """
    refused = Refused(
        f"$search has too many clauses; expected at most {MAX_CLAUSES}, counted over all of "
        "compound and over each path. Many values of one path are one clause with in"
    )
    if exceeds_limit(_leaves(stage)):
        raise refused
    operator = _parse_only_operator(section)
    if exceeds_limit(_clauses_of(operator)):
        raise refused
    return operator


def _leaves(document: Any) -> Iterator[None]:
    compound = document.get("compound") if isinstance(document, Mapping) else None
    if not isinstance(compound, Mapping):
        yield None
        return
    for key in _CLAUSES:
        listed = compound.get(key, [])
        for each in listed if isinstance(listed, list) else [listed]:
            yield from _leaves(each)


def _clauses_of(operator: Operator) -> Iterator[None]:
    """One item for each path; for `text`, one for each query at each path."""
    match operator:
        case Text(paths, queries):
            yield from repeat(None, len(paths) * len(queries))
        case AnyComparison(comparisons):
            yield from repeat(None, len(comparisons))
        case Compound(must, must_not, should, filter):
            for inner in (*must, *must_not, *should, *filter):
                yield from _clauses_of(inner)


def _parse_only_operator(section: Section) -> Operator:
    """Parse the one operator among the keys of the section."""
    supported = ", ".join(sorted(_PARSERS))
    for key in _UNSUPPORTED_OPERATORS:
        if section.value(key) is not None:
            raise section.refused(key, f"is not supported here; supported are {supported}")
    given = [key for key in _PARSERS if section.value(key) is not None]
    if len(given) != 1:
        where, listed = section.where or "$search", ", ".join(given) or "none"
        raise Refused(f'"{where}" needs one operator of [{supported}]; {listed} given')
    inner = section.need(given[0], section.section(given[0]))
    operator = _PARSERS[given[0]](inner)
    inner.refuse_other_keys()
    return operator


def _text(section: Section) -> Text:
    refuse_keys(section, "fuzzy", "synonyms", "score")
    criteria = section.choice("matchCriteria", ("any", "all"))
    queries = parse_strings(section, "query")
    if (length := sum(map(len, queries))) > _MAX_CHARACTERS:
        raise section.refused(
            "query", f"has {length} characters; expected at most {_MAX_CHARACTERS}"
        )
    paths = _text_paths(section)
    if len(paths) * len(queries) > MAX_CLAUSES:
        raise section.refused(
            "query",
            f"asks for {len(queries)} queries at {len(paths)} paths; expected at most "
            f"{MAX_CLAUSES} together",
        )
    return Text(paths, queries, all_terms=criteria == "all")


def _text_paths(section: Section) -> tuple[TextPath, ...]:
    value = section.need("path", section.value("path"))
    listed = value if isinstance(value, list) else [value]
    if not listed:
        raise section.refused("path", "cannot be empty")
    return tuple(_text_path(each, section.name("path")) for each in listed)


def _text_path(value: Any, where: str) -> TextPath:
    if isinstance(value, str) and value:
        return TextPath(value)
    if not isinstance(value, Mapping):
        raise Refused(
            f'"{where}" must be a string, a document or an array of them; {show(value)} was given'
        )
    section = Section(value, where)
    refuse_keys(section, "multi")
    path, pattern = section.text("value"), section.text("wildcard")
    section.refuse_other_keys()
    if (path is None) == (pattern is None):
        raise Refused(f'"{where}" must have one of [value, wildcard]')
    if pattern is None:
        return TextPath(path or "")
    if "**" in pattern:
        raise section.refused("wildcard", "cannot have several * in a row")
    return TextPath(pattern, wildcard=True)


def _compound(section: Section) -> Compound:
    refuse_keys(section, "score", "doesNotAffect")
    should = _clauses(section, "should")
    minimum = section.integer("minimumShouldMatch") or 0
    if not 0 <= minimum <= len(should):
        raise section.refused(
            "minimumShouldMatch", f"must be within [0..{len(should)}], the clauses of should"
        )
    compound = Compound(
        must=_clauses(section, "must"),
        must_not=_clauses(section, "mustNot"),
        should=should,
        filter=_clauses(section, "filter"),
        minimum_should_match=minimum,
    )
    if not (compound.must or compound.must_not or should or compound.filter):
        raise Refused(f'"{section.where}" needs a clause of must, mustNot, should or filter')
    return compound


def _clauses(section: Section, key: str) -> tuple[Operator, ...]:
    """Parse an array of clauses; a document counts as an array of one."""
    value = section.value(key)
    if value is None:
        return ()
    listed = value if isinstance(value, list) else [value]
    return tuple(_clause(each, f"{section.name(key)}[{at}]") for at, each in enumerate(listed))


def _clause(value: Any, where: str) -> Operator:
    if not isinstance(value, Mapping):
        raise Refused(f'"{where}" must be a document; {show(value)} was given')
    section = Section(value, where)
    operator = _parse_only_operator(section)
    section.refuse_other_keys()
    return operator


_PARSERS: dict[str, Callable[[Section], Operator]] = {
    "text": _text,
    "compound": _compound,
    "equals": _equals,
    "in": _in,
    "range": _range,
    "exists": _exists,
}


@dataclass(frozen=True)
class TextQuery:
    index: str
    operator: Operator


def parse_text_query(stage: Mapping[str, Any]) -> TextQuery:
    if not isinstance(stage, Mapping):
        raise CommandError(
            9, "FailedToParse", f"$search must be an object; {show(stage)} was given"
        )
    try:
        return _parse(stage, Section(stage))
    except Refused as refused:
        raise search_error(str(refused)) from refused


def _parse(stage: Mapping[str, Any], section: Section) -> TextQuery:
    index = section.text("index")
    refuse_keys(section, *_UNSUPPORTED_OPTIONS)
    for key in ("returnStoredSource", "scoreDetails"):
        if section.boolean(key):
            raise section.refused(key, "is not supported here")
    # No effect here, since one process holds the whole index.
    section.boolean("concurrent")
    section.section("searchNodePreference")
    operator = parse_operator(stage, section)
    section.refuse_other_keys()
    return TextQuery(index or DEFAULT_INDEX, operator)
