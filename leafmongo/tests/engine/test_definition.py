"""Index definitions: section 1 of the notes on $vectorSearch, equivalence section 6.1."""

from typing import Any

import pytest
from bson import Decimal128, Int64

from leafmongo.engine import CommandError, is_equivalent, parse_definition
from leafmongo.engine.definition import FilterField, HnswOptions, VectorField

VECTOR = {"type": "vector", "path": "v", "numDimensions": 8, "similarity": "cosine"}
FILTER = {"type": "filter", "path": "f"}
PREFIX = "userCommand.indexes[0]."


def definition(*fields: Any, **top: Any) -> dict[str, Any]:
    return {"fields": list(fields), **top}


def with_vector(**changes: Any) -> dict[str, Any]:
    entry = {key: value for key, value in {**VECTOR, **changes}.items() if value is not ...}
    return definition(entry)


def refusal(given: Any, **options: Any) -> CommandError:
    with pytest.raises(CommandError) as caught:
        parse_definition(given, **options)
    return caught.value


@pytest.mark.semantics("1.2")
def test_defaults_are_filled_in() -> None:
    parsed = parse_definition(definition(VECTOR, FILTER))

    assert parsed.fields == (
        VectorField("v", 8, "cosine", "none", "hnsw", HnswOptions(16, 100)),
        FilterField("f"),
    )
    assert (parsed.num_partitions, parsed.stored_source, parsed.nested_root) == (1, None, None)
    assert parsed.filter_paths == ["f"]
    assert parsed.vector_field("v") == parsed.fields[0]
    assert parsed.vector_field("f") is None


@pytest.mark.semantics("1.2")
@pytest.mark.parametrize(
    "changes",
    [
        {"numDimensions": 1, "quantization": "none"},
        {"numDimensions": 8192},
        {"numDimensions": 8.0},
        {"numDimensions": Int64(8)},
        {"similarity": "euclidean"},
        {"similarity": "dotProduct"},
        {"quantization": "scalar", "numDimensions": 3},
        {"quantization": "binary"},
        {"quantization": None},
        {"indexingMethod": "flat"},
        {"indexingMethod": None, "hnswOptions": None, "engine": None},
        {"hnswOptions": {}},
        {"hnswOptions": {"maxEdges": 16.0, "numEdgeCandidates": Int64(100)}},
        {"hnswOptions": {"maxEdges": 16}},
        {"hnswOptions": {"maxEdges": 64, "numEdgeCandidates": 3200}, "indexingMethod": "hnsw"},
        {"engine": "lucene"},
    ],
)
def test_accepts_a_vector_entry(changes: dict[str, Any]) -> None:
    assert parse_definition(with_vector(**changes)).vector_fields[0].path == "v"


@pytest.mark.semantics("1.2", "1.3")
@pytest.mark.parametrize(
    ("changes", "key", "text"),
    [
        ({"numDimensions": ...}, "numDimensions", "is required"),
        ({"numDimensions": None}, "numDimensions", "is required"),
        ({"numDimensions": 0}, "numDimensions", "must be within bounds [1..8192]"),
        ({"numDimensions": 8193}, "numDimensions", "must be within bounds [1..8192]"),
        ({"numDimensions": 10.5}, "numDimensions", "must be an integer"),
        ({"numDimensions": "8"}, "numDimensions", "must be an integer"),
        ({"numDimensions": True}, "numDimensions", "must be an integer"),
        ({"numDimensions": 2**31}, "numDimensions", "must fit in 32 bits"),
        ({"numDimensions": -(2**31) - 1}, "numDimensions", "must fit in 32 bits"),
        ({"numDimensions": float("inf")}, "numDimensions", "must be an integer"),
        ({"numDimensions": Decimal128("8")}, "numDimensions", "must be an integer"),
        ({"similarity": ...}, "similarity", "is required"),
        ({"similarity": "Cosine"}, "similarity", "must be one of [cosine, dotProduct, euclidean]"),
        ({"quantization": "int8"}, "quantization", "must be one of [binary, none, scalar]"),
        ({"quantization": "binary", "numDimensions": 9}, "numDimensions", "multiple of 8"),
        ({"quantization": "Scalar"}, "quantization", "must be one of [binary, none, scalar]"),
        ({"indexingMethod": "ivf"}, "indexingMethod", "must be one of [flat, hnsw]"),
        ({"hnswOptions": {"maxEdges": 15}}, "hnswOptions.maxEdges", "[16..64]"),
        ({"hnswOptions": {"maxEdges": 65}}, "hnswOptions.maxEdges", "[16..64]"),
        ({"hnswOptions": {"maxEdges": 16.5}}, "hnswOptions.maxEdges", "must be an integer"),
        ({"hnswOptions": {"numEdgeCandidates": 3201}}, "hnswOptions.numEdgeCandidates", "3200"),
        ({"hnswOptions": {"numEdgeCandidates": 99}}, "hnswOptions.numEdgeCandidates", "100..3200"),
        ({"hnswOptions": {"m": 16}}, "hnswOptions.m", "unrecognized field"),
        ({"hnswOptions": 16}, "hnswOptions", "must be a document"),
        ({"hnswOptions": {}, "indexingMethod": "flat"}, "hnswOptions", "is only supported with"),
        ({"engine": "custom"}, "engine", "not supported"),
        ({"path": ...}, "path", "is required"),
        ({"path": 3}, "path", "must be a string"),
        ({"path": ""}, "path", "cannot be empty"),
        ({"type": ...}, "type", "is required"),
        ({"type": "Vector"}, "type", "must be one of ["),
        ({"dims": 8}, "dims", "unrecognized field"),
    ],
)
def test_rejects_a_vector_entry_and_names_the_path(
    changes: dict[str, Any], key: str, text: str
) -> None:
    error = refusal(with_vector(**changes))

    assert (error.code, error.code_name) == (8, "UnknownError")
    assert f'"{PREFIX}fields[0].{key}"' in error.message
    assert text in error.message


@pytest.mark.semantics("1.1")
@pytest.mark.semantics("1.2")
@pytest.mark.parametrize("similarity", ["euclidean", "cosine", "dotProduct"])
@pytest.mark.parametrize("quantization", ["none", "scalar", "binary"])
@pytest.mark.parametrize("method", ["hnsw", "flat"])
def test_every_similarity_allows_every_quantization(
    similarity: str, quantization: str, method: str
) -> None:
    """A definition does not say the kind of its vectors."""
    given = with_vector(similarity=similarity, quantization=quantization, indexingMethod=method)

    (field,) = parse_definition(given).vector_fields

    assert (field.similarity, field.quantization) == (similarity, quantization)
    assert field.indexing_method == method


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, f'"{PREFIX}fields" is required'),
        ({"fields": None}, f'"{PREFIX}fields" is required'),
        ({"fields": VECTOR}, f'"{PREFIX}fields" must be an array'),
        ({"fields": ["v"]}, f'"{PREFIX}fields[0]" must be a document'),
        (definition(), "cannot be empty"),
        (definition(FILTER), 'at least one entry of type "vector"'),
        (definition(VECTOR, VECTOR), "distinct paths"),
        (definition(VECTOR, {**FILTER, "path": "v"}), "distinct paths"),
        (definition(VECTOR, {**FILTER, "x": 1}), 'unrecognized field "'),
        (definition(VECTOR, {**FILTER, "x": 1, "y": 2}), 'unrecognized fields ["'),
        (definition(VECTOR, numPartitions=3), "[1, 2, 4, 8, 16, 32, 64]; 3"),
        (definition(VECTOR, FILTER, FILTER), "distinct paths"),
        (definition(VECTOR, {"type": "filter"}), '"userCommand.indexes[0].fields[1].path" is req'),
        (definition(VECTOR, numPartitions=0), "[1, 2, 4, 8, 16, 32, 64]; 0"),
        (definition(VECTOR, numPartitions="2"), "must be an integer"),
        (definition(VECTOR, nestedRoot="w"), '"w" is neither a vector path'),
        (definition(VECTOR, nestedRoot=1), "must be a string"),
        (definition({"type": "embeddedDocuments", "path": "e"}), "not supported"),
        ([VECTOR], "must be a document"),
    ],
)
def test_rejects_a_definition(given: Any, text: str) -> None:
    assert text in refusal(given).message


@pytest.mark.semantics("1.1")
@pytest.mark.parametrize("number", [1, 2, 4, 8, 16, 32, 64, 4.0])
def test_num_partitions(number: float) -> None:
    assert parse_definition(definition(VECTOR, numPartitions=number)).num_partitions == number


@pytest.mark.semantics("1.1")
@pytest.mark.parametrize("root", ["a", "a.b", "a.b.v"])
def test_nested_root_is_an_ancestor_of_a_vector_or_the_vector(root: str) -> None:
    parsed = parse_definition(definition({**VECTOR, "path": "a.b.v"}, FILTER, nestedRoot=root))

    assert parsed.is_nested("a.b.v")
    assert not parsed.is_nested("f")


@pytest.mark.semantics("1.1")
def test_nested_root_matches_whole_segments() -> None:
    assert "nestedRoot" in refusal(definition({**VECTOR, "path": "ab.v"}, nestedRoot="a")).message


@pytest.mark.semantics("1.2")
@pytest.mark.parametrize("kind", ["autoEmbed", "text"])
@pytest.mark.parametrize("beside", [[], [VECTOR]], ids=["alone", "beside a vector"])
def test_embedding_models_are_rejected(kind: str, beside: list[Any]) -> None:
    error = refusal(
        definition(*beside, {"type": kind, "path": "t", "model": "voyage-4", "modality": "text"})
    )

    assert (error.code, error.code_name) == (2, "BadValue")
    assert "voyage-4" in error.message


@pytest.mark.semantics("1.1")
def test_unknown_top_level_keys_pass_on_create_and_fail_on_update() -> None:
    given = definition(VECTOR, x=1)

    assert parse_definition(given).fields
    assert f'unrecognized field "{PREFIX}x"' in refusal(given, strict=True).message


@pytest.mark.semantics("1.1", "1.3")
def test_null_counts_as_missing() -> None:
    given = definition(VECTOR, numPartitions=None, storedSource=None, nestedRoot=None)

    assert parse_definition(given, strict=True) == parse_definition(definition(VECTOR))


@pytest.mark.semantics("1.1")
def test_strict_accepts_every_known_key() -> None:
    given = definition(
        {**VECTOR, "path": "a.v"},
        numPartitions=2,
        storedSource={"include": ["t"]},
        nestedRoot="a",
    )

    assert parse_definition(given, strict=True).nested_root == "a"


@pytest.mark.semantics("1.3")
def test_context_is_the_prefix_of_messages() -> None:
    error = refusal(with_vector(numDimensions=0), context="userCommand.indexes[3]")

    assert '"userCommand.indexes[3].fields[0].numDimensions"' in error.message


@pytest.mark.semantics("6.1")
def test_equivalence_compares_fields_and_partitions_only() -> None:
    plain = parse_definition(definition(VECTOR, FILTER))
    written_out = parse_definition(
        definition(
            {**VECTOR, "quantization": "none", "indexingMethod": "hnsw", "hnswOptions": {}},
            FILTER,
            numPartitions=1,
            storedSource={"include": ["t"]},
            nestedRoot="v",
        )
    )

    assert is_equivalent(plain, written_out)
    assert not is_equivalent(plain, parse_definition(definition(FILTER, VECTOR)))
    assert not is_equivalent(plain, parse_definition(definition(VECTOR, FILTER, numPartitions=2)))
