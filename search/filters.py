"""Check filters here, because the server reports a faulty one late or not at all."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bson
from bson import CodecOptions
from bson.binary import UuidRepresentation
from bson.errors import BSONError

from leafsearch.config.hint import PATH, hint
from leafsearch.config.text import quote, quote_all, shorten
from leafsearch.search.errors import FilterError, UndeclaredPath
from leafsearch.search.values import filtered_kind

Declaring = Callable[[str], str]  # the command that declares a path

_LONGEST_PATH = 1024
_DEEPEST = 90  # nested filters, each two of the 200 levels that the server reads
_LOGICAL = ("$and", "$or", "$nor")
_NEGATED = ("$nor", "$ne", "$nin", "$not", "$exists")
_OF_FIELDS = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$not")
_WITH_UUIDS = CodecOptions[dict[str, Any]](uuid_representation=UuidRepresentation.STANDARD)
_HELP = f"expected {', '.join(_OF_FIELDS)} on a path, combined by {', '.join(_LOGICAL)}"


def declare_command(path: str) -> str:
    """The command that declares this path for the default collection."""
    return hint("leaf-ingest", PATH, "--filter-field", path)


def check_filter(
    filter: Mapping[str, Any],
    declared: Sequence[str] | None,
    declaring: Declaring = declare_command,
) -> dict[str, Any]:
    """The filter as it is sent by any client: a UUID as Binary.

    Raises UndeclaredPath for a path that is not `declared` (None: not known yet), and
    FilterError for an operator that search lacks, or a value that cannot be sent.
    """
    _Check(declared, declaring).whole(filter)
    try:
        return bson.decode(bson.encode(filter, codec_options=_WITH_UUIDS))
    except (BSONError, ValueError, OverflowError, RecursionError) as error:
        raise FilterError(
            f"filter {quote(filter)} cannot be sent: {shorten(str(error), 200)}; expected Python's "
            "own numbers and text that MongoDB can hold"
        ) from error


def required_values(filter: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The values that a checked filter requires at each path, rather than forbids."""
    found: dict[str, list[Any]] = {}
    for key, value in filter.items():
        if key in _NEGATED:
            continue
        parts = (
            [required_values(each) for each in value]
            if key in _LOGICAL
            else [{key: _values(value)}]
        )
        for part in parts:
            for path, values in part.items():
                found.setdefault(path, []).extend(values)
    return found


def _values(condition: object) -> list[Any]:
    if not isinstance(condition, Mapping):
        return [condition]
    values: list[Any] = []
    for operator, value in condition.items():
        if operator not in _NEGATED:
            values += value if operator == "$in" else [value]
    return values


@dataclass(frozen=True)
class _Check:
    declared: Sequence[str] | None
    declaring: Declaring

    def whole(self, filter: Mapping[str, Any], depth: int = 1) -> None:
        if depth > _DEEPEST:
            raise FilterError(f"filter: nested too deeply; expected at most {_DEEPEST} levels")
        if not isinstance(filter, Mapping):
            raise FilterError(f"filter is {quote(filter)}; expected an object like {{path: value}}")
        for key, value in filter.items():
            if not isinstance(key, str):
                raise FilterError(f"filter path {quote(key)}; expected text")
            if key in _LOGICAL:
                self._clauses(key, value, depth)
            elif key.startswith("$"):
                raise FilterError(f"filter operator {shorten(key, 80)} is unknown; {_HELP}")
            else:
                self._path(key)
                _check_condition(key, value, depth)

    def _clauses(self, operator: str, clauses: object, depth: int) -> None:
        if not isinstance(clauses, list | tuple) or not clauses:
            raise FilterError(
                f"filter {operator} holds {quote(clauses)}; expected a list of filters"
            )
        for clause in clauses:
            self.whole(clause, depth + 1)

    def _path(self, path: str) -> None:
        declared = self.declared
        if declared is None or path in declared:
            return
        known = [*declared, *_shortened(declared)]
        close = difflib.get_close_matches(path[:_LONGEST_PATH], known, n=1, cutoff=0.8)
        if close:
            help = f"did you mean {_shortened(declared).get(close[0], close[0])}?"
        else:
            # An index over chunks always declares `document`; other documents do not.
            own = path.startswith("metadata.") or "document" not in declared
            stored = path if own else f"metadata.{path}"
            help = f"declare it with {self.declaring(shorten(stored, 80))}"
        raise UndeclaredPath(
            f"filter path {shorten(path, 80)} is not declared in the index "
            f"({quote_all(declared) or 'none'}), so the server cannot filter by it: {help}"
        )


def _shortened(declared: Sequence[str]) -> dict[str, str]:
    return {path.removeprefix("metadata."): path for path in declared}


def _check_condition(path: str, condition: object, depth: int) -> None:
    if depth > _DEEPEST:
        raise FilterError(f"filter {path}: expected at most {_DEEPEST} levels of $not")
    if not isinstance(condition, Mapping):
        _check_value(path, "$eq", condition, null=True)
        return
    if not condition:
        raise FilterError(f"filter {path} holds {{}}; {_HELP}")
    for operator, value in condition.items():
        if operator not in _OF_FIELDS:
            raise FilterError(f"filter {path}: {shorten(str(operator), 80)} is unknown; {_HELP}")
        if operator == "$not":
            if not isinstance(value, Mapping):
                raise FilterError(
                    f"filter {path}: $not holds {quote(value)}; expected {{operator: ...}}"
                )
            _check_condition(path, value, depth + 1)
        elif operator == "$exists":
            if not isinstance(value, bool):
                raise FilterError(
                    f"filter {path}: $exists holds {quote(value)}; expected true or false"
                )
        elif operator in ("$in", "$nin"):
            _check_values(path, operator, value)
        else:
            _check_value(path, operator, value, null=operator in ("$eq", "$ne"))


def _check_values(path: str, operator: str, values: object) -> None:
    if not isinstance(values, list | tuple) or not values:
        raise FilterError(
            f"filter {path}: {operator} holds {quote(values)}; expected a list of values"
        )
    for value in values:
        _check_value(path, operator, value, null=False)
    if len({filtered_kind(value) for value in values}) > 1:
        raise FilterError(
            f"filter {path}: {operator} holds {quote(values)}; expected values of one kind"
        )


def _check_value(path: str, operator: str, value: object, *, null: bool) -> None:
    if value is None and null:
        return
    if value is None or filtered_kind(value) is None:
        raise FilterError(
            f"filter {path}: {operator} holds {quote(value)}; expected a string, number, boolean, "
            f"date, ObjectId{', UUID or null' if null else ' or UUID'}"
            + ("; for several values {'$in': [...]}" if isinstance(value, list | tuple) else "")
        )
