"""The operators of `$search` that there are here, as they are written.

text        words, scored            equals, in, range, exists   a filter that scores 1
compound    must, should, mustNot, filter
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import repeat
from typing import Any

from leafmongo.engine.errors import Refused
from leafmongo.engine.filters.syntax import MOST_CLAUSES, too_many
from leafmongo.engine.parser import Section, shown
from leafmongo.engine.text import comparisons
from leafmongo.engine.text.comparisons import refuse, strings
from leafmongo.engine.text.operators import AnyComparison, Compound, Operator, Text, TextPath

_MOST_CHARACTERS = 100_000  # of queries; on the real server their words count as clauses
_CLAUSES = ("must", "should", "mustNot", "filter")
_UNSUPPORTED = [
    *("allDocuments", "autocomplete", "embeddedDocument", "facet", "geoShape", "geoWithin"),
    *("hasAncestor", "hasRoot", "knnBeta", "moreLikeThis", "near", "phrase", "queryString"),
    *("regex", "search", "span", "term", "vectorSearch", "wildcard"),
]


def parse_operator(stage: Mapping[str, Any], section: Section) -> Operator:
    """The operator of a `$search` stage. Its clauses are bounded, nested ones too; the limit is the
    real server's, Lucene's."""
    refused = Refused(
        f"$search has too many clauses; expected at most {MOST_CLAUSES}, counted over all of "
        "compound and over each path. Many values of one path are one clause with in"
    )
    if too_many(_leaves(stage)):
        raise refused
    operator = _the_operator(section)
    if too_many(_clauses_of(operator)):
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
    """One for each path, and of `text` for each query there."""
    match operator:
        case Text(paths, queries):
            yield from repeat(None, len(paths) * len(queries))
        case AnyComparison(comparisons):
            yield from repeat(None, len(comparisons))
        case Compound(must, must_not, should, filter):
            for inner in (*must, *must_not, *should, *filter):
                yield from _clauses_of(inner)


def _the_operator(section: Section) -> Operator:
    """The one operator that the section holds beside its other keys."""
    supported = ", ".join(sorted(_PARSERS))
    for key in _UNSUPPORTED:
        if section.value(key) is not None:
            raise section.refused(key, f"is not supported here; supported are {supported}")
    given = [key for key in _PARSERS if section.value(key) is not None]
    if len(given) != 1:
        where, told = section.where or "$search", ", ".join(given) or "none"
        raise Refused(f'"{where}" needs one operator of [{supported}]; {told} given')
    inner = section.need(given[0], section.section(given[0]))
    operator = _PARSERS[given[0]](inner)
    inner.refuse_other_keys()
    return operator


def _text(section: Section) -> Text:
    refuse(section, "fuzzy", "synonyms", "score")
    criteria = section.choice("matchCriteria", ("any", "all"))
    queries = strings(section, "query")
    if (length := sum(map(len, queries))) > _MOST_CHARACTERS:
        raise section.refused(
            "query", f"has {length} characters; expected at most {_MOST_CHARACTERS}"
        )
    paths = _text_paths(section)
    if len(paths) * len(queries) > MOST_CLAUSES:
        raise section.refused(
            "query",
            f"asks for {len(queries)} queries at {len(paths)} paths; expected at most "
            f"{MOST_CLAUSES} together",
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
            f'"{where}" must be a string, a document or an array of them; {shown(value)} was given'
        )
    section = Section(value, where)
    refuse(section, "multi")
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
    refuse(section, "score", "doesNotAffect")
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
    """A document counts as an array of one."""
    value = section.value(key)
    if value is None:
        return ()
    listed = value if isinstance(value, list) else [value]
    return tuple(_clause(each, f"{section.name(key)}[{at}]") for at, each in enumerate(listed))


def _clause(value: Any, where: str) -> Operator:
    if not isinstance(value, Mapping):
        raise Refused(f'"{where}" must be a document; {shown(value)} was given')
    section = Section(value, where)
    operator = _the_operator(section)
    section.refuse_other_keys()
    return operator


_PARSERS: dict[str, Callable[[Section], Operator]] = {
    "text": _text,
    "compound": _compound,
    "equals": comparisons.equals,
    "in": comparisons.is_in,
    "range": comparisons.is_within,
    "exists": comparisons.exists,
}
