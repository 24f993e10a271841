"""Filters are checked here, because what is wrong with one the server tells late or not at all."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from search.errors import FilterError

_LOGICAL = ("$and", "$or", "$nor")
_OF_FIELDS = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$not")
_HELP = f"expected {', '.join(_OF_FIELDS)} on a path, combined by {', '.join(_LOGICAL)}"


def check_filter(filter: Mapping[str, Any], declared: Sequence[str]) -> None:
    """Raises FilterError for a path that is not `declared` or an operator that search lacks."""
    if not isinstance(filter, Mapping):
        raise FilterError(f"filter is {filter!r}; expected an object like {{path: value}}")
    for key, value in filter.items():
        if key in _LOGICAL:
            _check_clauses(key, value, declared)
        elif key.startswith("$"):
            raise FilterError(f"filter operator {key} is not known here; {_HELP}")
        else:
            _check_path(key, declared)
            _check_condition(key, value)


def _check_clauses(operator: str, clauses: object, declared: Sequence[str]) -> None:
    if not isinstance(clauses, list | tuple) or not clauses:
        raise FilterError(f"filter {operator} holds {clauses!r}; expected a list of filters")
    for clause in clauses:
        check_filter(clause, declared)


def _check_path(path: str, declared: Sequence[str]) -> None:
    if path in declared:
        return
    close = difflib.get_close_matches(path, [*declared, *_shortened(declared)], n=1, cutoff=0.8)
    if close:
        help = f"did you mean {_shortened(declared).get(close[0], close[0])}?"
    else:
        stored = path if path.startswith("metadata.") else f"metadata.{path}"
        help = f"declare it with `leaf-ingest ... --filter-field {stored}`"
    raise FilterError(
        f"filter path {path} is not declared in the index ({', '.join(declared) or 'none is'}), "
        f"so the server cannot filter by it: {help}"
    )


def _shortened(declared: Sequence[str]) -> dict[str, str]:
    return {path.removeprefix("metadata."): path for path in declared}


def _check_condition(path: str, condition: object) -> None:
    if not isinstance(condition, Mapping):
        if isinstance(condition, list | tuple):
            raise FilterError(f"filter {path} holds a list; expected {{'$in': [...]}}")
        return
    for operator, value in condition.items():
        if operator not in _OF_FIELDS:
            raise FilterError(f"filter {path}: {operator} is not known here; {_HELP}")
        if operator == "$not":
            _check_condition(path, value)
        elif operator in ("$in", "$nin") and not isinstance(value, list | tuple):
            raise FilterError(f"filter {path}: {operator} holds {value!r}; expected a list")
