"""A `$search` stage, read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leafmongo.engine.errors import CommandError, Refused, search_error
from leafmongo.engine.parser import Section, shown
from leafmongo.engine.text.comparisons import refuse
from leafmongo.engine.text.operator_syntax import parse_operator
from leafmongo.engine.text.operators import Operator

DEFAULT_INDEX = "default"
_UNSUPPORTED = [
    *("count", "explainOptions", "highlight", "returnScope", "searchAfter", "searchBefore"),
    *("sort", "tracking"),
]


@dataclass(frozen=True)
class TextQuery:
    index: str
    operator: Operator


def parse_text_query(stage: Mapping[str, Any]) -> TextQuery:
    if not isinstance(stage, Mapping):
        raise CommandError(
            9, "FailedToParse", f"$search must be an object; {shown(stage)} was given"
        )
    try:
        return _parsed(stage, Section(stage))
    except Refused as refused:
        raise search_error(str(refused)) from refused


def _parsed(stage: Mapping[str, Any], section: Section) -> TextQuery:
    index = section.text("index")
    refuse(section, *_UNSUPPORTED)
    for key in ("returnStoredSource", "scoreDetails"):
        if section.boolean(key):
            raise section.refused(key, "is not supported here")
    # Without effect here, as one process holds the whole index.
    section.boolean("concurrent")
    section.section("searchNodePreference")
    operator = parse_operator(stage, section)
    section.refuse_other_keys()
    return TextQuery(index or DEFAULT_INDEX, operator)
