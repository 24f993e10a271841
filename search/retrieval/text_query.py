"""The text half of hybrid search: `$search` with the filter of the vector half."""

from collections.abc import Mapping, Sequence
from typing import Any

_GENERATION = "generation"  # field of a passage; the first generation has none
_ANY: dict[str, Any] = {"exists": {"path": "_id"}}
_NOTHING: dict[str, Any] = {"compound": {"filter": [_ANY], "mustNot": [_ANY]}}


def text_stages(
    question: str,
    *,
    index: str,
    paths: Sequence[str],
    generation: int | None,
    limit: int,
    filter: Mapping[str, Any] | None,
) -> list[dict[str, Any]]:
    """The passages that share words with the question, best first by BM25.

    Passages of this generation; None for documents of other programs, which have no generation.
    """
    compound: dict[str, Any] = {"must": [{"text": {"query": question, "path": list(paths)}}]}
    passing = text_filter(filter or {})
    clauses = [] if passing is None else [passing]
    if generation == 1:
        compound["mustNot"] = [{"exists": {"path": _GENERATION}}]
    elif generation is not None:
        clauses.append({"equals": {"path": _GENERATION, "value": generation}})
    if clauses:
        compound["filter"] = clauses
    return [{"$search": {"index": index, "compound": compound}}, {"$limit": limit}]


def text_filter(filter: Mapping[str, Any]) -> dict[str, Any] | None:
    """Translate a filter of `$vectorSearch` into a clause of `$search`; None if everything
    passes.

    Leave that out then: the server refuses an empty compound clause.
    """
    return _all_of([_clause(key, value) for key, value in filter.items()])


def _all_of(clauses: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
    strict = [clause for clause in clauses if clause is not None]
    if len(strict) > 1:
        return {"compound": {"filter": strict}}
    return strict[0] if strict else None


def _clause(key: str, value: Any) -> dict[str, Any] | None:
    if key not in ("$and", "$or", "$nor"):
        return _condition(key, value if isinstance(value, Mapping) else {"$eq": value})
    parts = [text_filter(part) for part in value]
    if key == "$and":
        return _all_of(parts)
    if None in parts:
        return None if key == "$or" else _NOTHING
    if key == "$or":
        return {"compound": {"should": parts, "minimumShouldMatch": 1}}
    return {"compound": {"mustNot": parts}}


def _condition(path: str, condition: Mapping[str, Any]) -> dict[str, Any]:
    clauses = [_operator(path, operator, value) for operator, value in condition.items()]
    return clauses[0] if len(clauses) == 1 else {"compound": {"filter": clauses}}


def _operator(path: str, operator: str, value: Any) -> dict[str, Any]:
    if operator == "$eq":
        return {"equals": {"path": path, "value": value}}
    if operator == "$ne":
        return _none_of({"equals": {"path": path, "value": value}})
    if operator == "$in":
        return _any_of(path, value)
    if operator == "$nin":
        return _none_of(_any_of(path, value))
    if operator == "$exists":
        there = {"exists": {"path": path}}
        return there if value else _none_of(there)
    if operator == "$not":
        return _none_of(_condition(path, value))
    return {"range": {"path": path, operator[1:]: value}}


def _any_of(path: str, values: Sequence[Any]) -> dict[str, Any]:
    return {"in": {"path": path, "value": list(values)}}


def _none_of(clause: dict[str, Any]) -> dict[str, Any]:
    return {"compound": {"mustNot": [clause]}}
