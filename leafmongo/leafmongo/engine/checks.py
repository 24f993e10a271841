"""What only the index can say about a query, in the order in which the server says it."""

from leafmongo.engine.definition import VectorDefinition, VectorField
from leafmongo.engine.documents.vectors import Kind, Vector
from leafmongo.engine.errors import Refused, search_error
from leafmongo.engine.filters.syntax import declared_paths
from leafmongo.engine.query import VectorQuery


def check_query(definition: VectorDefinition, query: VectorQuery) -> tuple[VectorField, Vector]:
    """The field to search and the vector to search for, or CommandError."""
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
    if query.vector is None:
        raise Refused(f"query needs an auto-embedding index; {query.path} has vectors of your own")
    if query.vector.dimensions != field.dimensions:
        raise Refused(
            f"vector field is indexed with {field.dimensions} dimensions "
            f"but queried with {query.vector.dimensions}"
        )
    return field, query.vector


def _check_nested_options(definition: VectorDefinition, query: VectorQuery) -> None:
    if query.score_mode is not None and not definition.is_nested(query.path):
        raise Refused(f'"nestedOptions" needs a path under nestedRoot; {query.path} is not')


def _check_filters(definition: VectorDefinition, query: VectorQuery) -> None:
    declared = set(definition.filter_paths)
    for clause in (query.filter, query.parent_filter):
        for path in declared_paths(clause) if clause is not None else ():
            if path not in declared:
                raise Refused(f"Path '{path}' needs to be indexed as filter")


def _check_vector(field: VectorField, vector: Vector) -> None:
    if field.similarity == "cosine" and vector.is_zero:
        raise Refused("Cosine similarity cannot be calculated against a zero vector.")
    if vector.kind is Kind.PACKED_BIT and field.similarity != "euclidean":
        raise Refused(
            "Binary vectors can only be used with fields indexed with Euclidean similarity "
            f"but indexed similarity is {field.similarity}"
        )
