"""Checks that `filter` is MQL, as mongod does before the search process sees it.

Operators that MQL has and `$vectorSearch` lacks, such as $regex, pass here; `syntax` rejects them
with another code.
"""

from collections.abc import Mapping
from typing import Any

from leafmongo.engine.errors import CommandError
from leafmongo.engine.parser import show

_LOGICAL = {"$and", "$or", "$nor"}
_TOP_LEVEL = {
    "$expr", "$text", "$where", "$comment", "$jsonSchema", "$sampleRate", "$alwaysTrue",
    "$alwaysFalse",
}  # fmt: skip
_OPERATORS = {
    "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$not", "$type", "$mod",
    "$regex", "$options", "$all", "$elemMatch", "$size", "$geoWithin", "$geoIntersects", "$near",
    "$nearSphere", "$within", "$geoNear", "$maxDistance", "$minDistance", "$bitsAllSet",
    "$bitsAllClear", "$bitsAnySet", "$bitsAnyClear", "$ref", "$id", "$db",
}  # fmt: skip


def refuse_illegal_mql(document: Mapping[str, Any]) -> None:
    for key, value in document.items():
        if key in _LOGICAL:
            _check_clauses(key, value)
        elif key.startswith("$"):
            if key not in _TOP_LEVEL:
                raise _bad_value(f"unknown top level operator: {key}")
        elif isinstance(value, Mapping) and next(iter(value), "").startswith("$"):
            _check_operators(value)


def _check_clauses(key: str, value: Any) -> None:
    if not isinstance(value, list):
        raise _bad_value(f"{key} must be an array; {show(value)} was given")
    if not value:
        raise _bad_value(f"{key} must be a nonempty array")
    for clause in value:
        if not isinstance(clause, Mapping):
            raise _bad_value(f"{key} entries need to be full objects; {show(clause)} was given")
        refuse_illegal_mql(clause)


def _check_operators(operators: Mapping[str, Any]) -> None:
    for key, value in operators.items():
        if key not in _OPERATORS:
            raise _bad_value(f"unknown operator: {key}")
        if key in ("$in", "$nin") and not isinstance(value, list):
            raise _bad_value(f"{key} needs an array; {show(value)} was given")
        if key == "$not" and isinstance(value, Mapping):
            if not value:
                raise _bad_value("$not cannot be empty")
            _check_operators(value)


def _bad_value(message: str) -> CommandError:
    return CommandError(2, "BadValue", f"$vectorSearch filter: {message}")
