"""Parses a `$vectorSearch` stage and checks it, in the order of the real servers.

First mongod (the stage, limit, the filter as MQL), then the search process, last what depends on
the index (is the path a vector, do the dimensions fit).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from bson import Binary, Decimal128

from leafmongo.engine.definition import VectorDefinition, VectorField
from leafmongo.engine.documents.text_model import embed
from leafmongo.engine.documents.vectors import (
    MalformedVector,
    NotNumeric,
    Vector,
    VectorDtype,
    from_array,
    from_binary,
    is_vector_binary,
)
from leafmongo.engine.errors import CommandError, Refused, search_error
from leafmongo.engine.filters.legal_mql import refuse_illegal_mql
from leafmongo.engine.filters.syntax import Clause, parse_filter, required_paths
from leafmongo.engine.parser import Section, show

MAX_CANDIDATES = 10_000


@dataclass(frozen=True, eq=False)
class VectorQuery:
    """Exactly one of `vector` and `text` is given; `score_mode` is None without nestedOptions."""

    index: str
    path: str
    limit: int
    num_candidates: int | None
    exact: bool
    vector: Vector | None
    text: str | None = None
    model: str | None = None
    filter: Clause | None = None
    parent_filter: Clause | None = None
    return_stored_source: bool = False
    score_mode: str | None = None
    trace_ids: tuple[Any, ...] = ()


def parse_query(stage: Mapping[str, Any]) -> VectorQuery:
    _check_as_mongod(stage)
    try:
        return _parse(Section(stage))
    except Refused as refused:
        raise search_error(str(refused)) from refused


def _check_as_mongod(stage: Any) -> None:
    if not isinstance(stage, Mapping):
        raise CommandError(
            9, "FailedToParse", f"$vectorSearch must be an object; {show(stage)} was given"
        )
    if "limit" in stage:
        limit = stage["limit"]
        if isinstance(limit, bool) or not isinstance(limit, int | float | Decimal128):
            raise _located(8575100, f"limit must be a number; {show(limit)} was given")
        if not float(str(limit)) > 0:
            raise _located(7912700, f"limit must be positive; {limit} was given")
    if isinstance(stage.get("filter"), Mapping):
        refuse_illegal_mql(stage["filter"])


def _located(code: int, message: str) -> CommandError:
    return CommandError(code, f"Location{code}", f"$vectorSearch {message}")


def _parse(section: Section) -> VectorQuery:
    _check_node_preference(section)
    index = section.need("index", section.text("index"))
    path = section.need("path", section.text("path"))
    exact = section.boolean("exact") or False
    candidates = _num_candidates(section, exact=exact)
    limit = _limit(section, candidates)
    vector, text, model = _input(section)
    return VectorQuery(
        index=index,
        path=path,
        limit=limit,
        num_candidates=candidates,
        exact=exact,
        vector=vector,
        text=text,
        model=model,
        filter=_filter(section, "filter"),
        parent_filter=_filter(section, "parentFilter"),
        trace_ids=_trace_ids(section),
        return_stored_source=section.boolean("returnStoredSource") or False,
        score_mode=_score_mode(section),
    )


def _check_node_preference(section: Section) -> None:
    """Reject an invalid preference; a valid one has no effect here."""
    preference = section.section("searchNodePreference")
    if preference is not None:
        preference.need("key", preference.text("key"))


def _num_candidates(section: Section, *, exact: bool) -> int | None:
    candidates = section.within("numCandidates", 1, MAX_CANDIDATES)
    if exact and candidates is not None:
        raise section.refused("numCandidates", 'must be omitted when "exact" is set to true')
    if not exact and candidates is None:
        raise Refused("numCandidates is required for approximate vector search")
    return candidates


def _limit(section: Section, candidates: int | None) -> int:
    limit = section.need("limit", section.integer("limit"))
    if limit <= 0:
        raise section.refused("limit", f"must be positive; {limit} was given")
    if candidates is not None and limit > candidates:
        raise Refused(
            f"limit should be less than or equal to numCandidates; {limit} > {candidates}"
        )
    return limit


def _input(section: Section) -> tuple[Vector | None, str | None, str | None]:
    vector = _query_vector(section)
    text = _query_text(section)
    model = section.text("model")
    if (vector is None) == (text is None):
        raise Refused("Exactly one and only one of query and queryVector can be present")
    if model is not None and text is None:
        raise section.refused("model", "is only allowed with query")
    if vector is not None and not vector.is_finite:
        where = int(np.flatnonzero(~np.isfinite(vector.values))[0])
        raise Refused(
            f"'queryVector' contains a non-finite value (Infinity or NaN) at position [{where}]. "
            "Every element has to be finite as a float32"
        )
    return vector, text, model


def _query_vector(section: Section) -> Vector | None:
    value = section.value("queryVector")
    if value is None:
        return None
    try:
        if isinstance(value, list):
            return from_array(value)
        if is_vector_binary(value):
            return from_binary(value)
    except NotNumeric as error:
        raise Refused(f"Unsupported BsonValue type: {bson_type(error.args[0])}") from error
    except MalformedVector as error:
        raise section.refused("queryVector", str(error)) from error
    raise section.refused(
        "queryVector",
        "Unexpected type found when parsing vector; "
        f"an array of numbers or BinData subtype 9 is allowed, {show(value)} was given",
    )


def _query_text(section: Section) -> str | None:
    if not isinstance(section.value("query"), Mapping):
        return section.text("query")
    document = section.need("query", section.section("query"))
    return document.need("text", document.text("text"))


def _filter(section: Section, key: str) -> Clause | None:
    value = section.value(key)
    return None if value is None else parse_filter(value, key)


def _trace_ids(section: Section) -> tuple[Any, ...]:
    options = section.section("explainOptions")
    if options is None:
        return ()
    ids = options.need("traceDocumentIds", options.array("traceDocumentIds"))
    options.refuse_other_keys()
    if not ids:
        raise options.refused("traceDocumentIds", "cannot be empty")
    return tuple(ids)


def _score_mode(section: Section) -> str | None:
    options = section.section("nestedOptions")
    if options is None:
        return None
    mode = options.choice("scoreMode", ("max", "avg")) or "max"
    options.refuse_other_keys()
    return mode


def bson_type(value: Any) -> str:
    """The name of a value's BSON type in capitals, for messages."""
    names: dict[type, str] = {
        type(None): "NULL", bool: "BOOLEAN", str: "STRING", list: "ARRAY", dict: "DOCUMENT",
        Decimal128: "DECIMAL128", bytes: "BINARY", Binary: "BINARY",
    }  # fmt: skip
    return names.get(type(value), type(value).__name__.upper())


def check_query(definition: VectorDefinition, query: VectorQuery) -> tuple[VectorField, Vector]:
    """The field to search and the query vector; CommandError if they do not fit the index."""
    try:
        if query.return_stored_source and definition.stored_source is None:
            raise Refused("storedSource is not configured for this index.")
        field, vector = _field(definition, query)
        _check_nested_options(definition, query)
        _check_filters(definition, query)
        _check_vector(field, vector)
    except Refused as refused:
        raise search_error(str(refused)) from refused
    return field, vector


def _field(definition: VectorDefinition, query: VectorQuery) -> tuple[VectorField, Vector]:
    field = definition.vector_field(query.path)
    if field is None:
        raise Refused(f"{query.path} is not indexed as vector")
    if field.model is not None:
        return field, _embedded(field, query)
    if query.vector is None:
        raise Refused(f"query needs an auto-embedding index; {query.path} has vectors of your own")
    if query.vector.dimensions != field.dimensions:
        raise Refused(
            f"vector field is indexed with {field.dimensions} dimensions "
            f"but queried with {query.vector.dimensions}"
        )
    return field, query.vector


def _embedded(field: VectorField, query: VectorQuery) -> Vector:
    if query.text is None:
        raise Refused(f"{query.path} is an auto-embedding field: it takes query, not queryVector")
    if query.model not in (None, field.model):
        raise Refused(f'model "{query.model}" is not compatible with "{field.model}" of the index')
    return embed(query.text, field.dimensions)


def _check_nested_options(definition: VectorDefinition, query: VectorQuery) -> None:
    if query.score_mode is not None and not definition.is_nested(query.path):
        raise Refused(f'"nestedOptions" needs a path under nestedRoot; {query.path} is not')


def _check_filters(definition: VectorDefinition, query: VectorQuery) -> None:
    declared = set(definition.filter_paths)
    embedded = {field.path for field in definition.vector_fields if field.model is not None}
    for clause in (query.filter, query.parent_filter):
        for path in required_paths(clause) if clause is not None else ():
            if path in embedded:
                raise Refused(
                    f"Field '{path}' is an auto-embedding field and cannot be used in filters"
                )
            if path not in declared:
                raise Refused(f"Path '{path}' needs to be indexed as filter")


def _check_vector(field: VectorField, vector: Vector) -> None:
    if field.similarity == "cosine" and vector.is_zero:
        raise Refused("Cosine similarity cannot be calculated against a zero vector.")
    if vector.kind is VectorDtype.PACKED_BIT and field.similarity != "euclidean":
        raise Refused(
            "Binary vectors can only be used with fields indexed with Euclidean similarity "
            f"but indexed similarity is {field.similarity}"
        )
