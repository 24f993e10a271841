"""Scores and order, section 5: worked by hand, then every formula against plain numpy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bson.binary import Binary
from numpy.typing import NDArray

from leafmongo.engine import Match, VectorIndex, parse_query

pytestmark = pytest.mark.semantics("5")

Make = Callable[..., VectorIndex]
Stage = Callable[..., dict[str, Any]]
ROWS = 60
DIMENSIONS = 24
OTHER = {"euclidean": "cosine", "cosine": "euclidean", "dotProduct": "cosine"}


@pytest.mark.parametrize(
    ("similarity", "vector", "score"),
    [
        ("euclidean", [3.0, 4.0], 1 / (1 + 20)),
        ("euclidean", [1.0, 0.0], 1.0),
        ("cosine", [3.0, 4.0], 0.8),
        ("cosine", [-2.0, 0.0], 0.0),
        ("cosine", [0.0, 9.0], 0.5),
        ("dotProduct", [0.5, 0.0], 0.75),
        ("dotProduct", [3.0, 4.0], 2.0),
        ("dotProduct", [-5.0, 0.0], 0.0),
        ("dotProduct", [0.0, 0.0], 0.5),
    ],
)
def test_floats_by_hand(
    make_index: Make, stage: Stage, exact: Stage, similarity: str, vector: Any, score: float
) -> None:
    index = make_index([{"_id": 1, "v": vector}], similarity=similarity)

    expected = [Match(1, float(np.float32(score)))]

    assert index.search(parse_query(stage())) == expected
    assert index.search(parse_query(exact())) == expected


@pytest.mark.parametrize(
    ("similarity", "vector", "score"),
    [
        ("euclidean", [2, 2], 1 / (1 + 5)),
        ("cosine", [3, 4], 0.8),
        ("dotProduct", [64, 0], 0.5 + 64 / (2 * 32768)),
        ("dotProduct", [-128, 0], 0.5 - 128 / (2 * 32768)),
    ],
)
def test_int8_by_hand(
    make_index: Make,
    stage: Stage,
    binary: Callable[..., Binary],
    similarity: str,
    vector: Any,
    score: float,
) -> None:
    index = make_index([{"_id": 1, "v": binary("int8", vector)}], similarity=similarity)

    found = index.search(parse_query(stage(queryVector=binary("int8", [1, 0]))))

    assert found == [Match(1, float(np.float32(score)))]


def test_bits_by_hand(make_index: Make, stage: Stage, binary: Callable[..., Binary]) -> None:
    index = make_index([{"_id": 1, "v": binary("packed_bit", [0b10000001])}], numDimensions=8)

    found = index.search(parse_query(stage(queryVector=binary("packed_bit", [0b10000110]))))

    assert found == [Match(1, 0.625)]


def oracle(
    kind: str, similarity: str, rows: NDArray[Any], query: NDArray[Any]
) -> NDArray[np.float32]:
    a, b = rows.astype(np.float64), query.astype(np.float64)
    if kind == "packed_bit":
        bits = np.unpackbits(rows, axis=1) == np.unpackbits(query)
        return bits.mean(axis=1).astype(np.float32)
    if similarity == "euclidean":
        score = 1 / (1 + ((a - b) ** 2).sum(axis=1))
    elif similarity == "cosine":
        score = (1 + a @ b / np.linalg.norm(a, axis=1) / np.linalg.norm(b)) / 2
    elif kind == "int8":
        score = 0.5 + a @ b / (len(b) * 32768)
    else:
        score = np.maximum((1 + a @ b) / 2, 0)
    return score.astype(np.float32)


def drawn(kind: str, rows: int, dimensions: int) -> NDArray[Any]:
    rng = np.random.default_rng(7)
    if kind == "float32":
        return rng.normal(size=(rows, dimensions)).astype(np.float32)
    if kind == "int8":
        return rng.integers(-128, 128, (rows, dimensions), dtype=np.int8)
    return rng.integers(0, 256, (rows, dimensions // 8), dtype=np.uint8)


FORMULAS = [
    *(
        (kind, each)
        for kind in ("float32", "int8")
        for each in ("euclidean", "cosine", "dotProduct")
    ),
    ("packed_bit", "euclidean"),
]


@pytest.mark.parametrize(("kind", "similarity"), FORMULAS)
@pytest.mark.parametrize("dimensions", [DIMENSIONS, 2056], ids=["short", "long"])
@pytest.mark.parametrize("keep", [1.0, 0.5, 0.1], ids=["all", "half", "few"])
def test_against_numpy(
    make_index: Make,
    stage: Stage,
    exact: Stage,
    binary: Callable[..., Binary],
    kind: str,
    similarity: str,
    dimensions: int,
    keep: float,
) -> None:
    """All vectors, or those that pass a filter; exact and approximate agree."""
    rows = drawn(kind, ROWS + 1, dimensions)
    rows, query = rows[:-1], rows[-1]
    index = make_index(
        ({"_id": i, "v": binary(kind, row), "f": i} for i, row in enumerate(rows)),
        ["f"],
        numDimensions=dimensions,
        similarity=similarity,
    )
    kept = int(ROWS * keep)
    expected = oracle(kind, similarity, rows, query)[:kept]
    order = np.argsort(-expected, kind="stable")[:20]
    options = {"queryVector": binary(kind, query), "limit": 20, "filter": {"f": {"$lt": kept}}}

    for given in (stage(**options), exact(**options)):
        found = index.search(parse_query(given))
        np.testing.assert_allclose([match.score for match in found], expected[order], rtol=2e-7)
        assert [match.id for match in found] == order.tolist()


@pytest.mark.parametrize("similarity", ["euclidean", "cosine", "dotProduct"])
def test_int8_is_exact_at_its_extremes(
    make_index: Make, stage: Stage, binary: Callable[..., Binary], similarity: str
) -> None:
    """Sums beyond 2^24 are not exact in float32."""
    rows = np.full((3, 4096), -127, dtype=np.int8)
    rows[1, 0] = -126
    rows[2, :] = 127
    index = make_index(
        ({"_id": i, "v": binary("int8", row)} for i, row in enumerate(rows)),
        numDimensions=4096,
        similarity=similarity,
    )

    found = index.search(parse_query(stage(queryVector=binary("int8", rows[0]))))

    expected = oracle("int8", similarity, rows, rows[0])
    assert {match.id: match.score for match in found} == dict(enumerate(expected.tolist()))


@pytest.mark.parametrize(("kind", "similarity"), FORMULAS)
def test_of_equals_the_first_inserted_comes_first(
    make_index: Make,
    ids: Callable[..., list[Any]],
    binary: Callable[..., Binary],
    kind: str,
    similarity: str,
) -> None:
    """Equal rows among many long ones, for which a matrix product gives unequal sums."""
    row = drawn(kind, 1, 504)[0]
    order = np.random.default_rng(1).permutation(300).tolist()
    index = make_index(
        ({"_id": each, "v": binary(kind, row)} for each in order),
        numDimensions=504,
        similarity=similarity,
    )

    assert ids(index, queryVector=binary(kind, row), limit=7) == order[:7]


def test_scores_clipped_to_zero_are_equals(make_index: Make, ids: Callable[..., list[Any]]) -> None:
    vectors = [[-9.0, 0.0], [-2.0, 0.0], [1.0, 0.0], [-5.0, 0.0]]
    index = make_index(({"_id": i, "v": v} for i, v in enumerate(vectors)), similarity="dotProduct")

    assert ids(index, limit=3) == [2, 0, 1]


def test_vector_is_its_own_nearest_however_long(make_index: Make, stage: Stage) -> None:
    """|a|^2 + |b|^2 - 2ab in float32 would put the distance to itself far from 0."""
    base = np.full(64, 1000.0)
    steps = np.linspace(0, 1e-2, 50)
    vectors = [(base + step * np.arange(64)).tolist() for step in steps]
    index = make_index(
        ({"_id": i, "v": v} for i, v in enumerate(vectors)),
        numDimensions=64,
    )

    best = index.search(parse_query(stage(queryVector=vectors[20], limit=1)))[0]

    assert (best.id, best.score) == (20, 1.0)


@pytest.mark.parametrize("similarity", ["euclidean", "cosine", "dotProduct"])
def test_vectors_whose_products_overflow_float32(
    make_index: Make, ids: Callable[..., list[Any]], similarity: str
) -> None:
    """The fast product has infinities and NaN here; in float64 all of it is finite.

    The other two have equal scores: far away both are 0, and both stand at right angles.
    """
    vectors = [[3e38, 3e38], [3e38, -3e38], [1.0, 1.0]]
    index = make_index(({"_id": i, "v": v} for i, v in enumerate(vectors)), similarity=similarity)

    assert ids(index, queryVector=[3e38, -3e38], limit=2) == [1, 0]


def test_limit_and_order(make_index: Make, ids: Callable[..., list[Any]]) -> None:
    index = make_index({"_id": i, "v": [float(i), 0.0]} for i in range(30))

    assert ids(index, queryVector=[10.2, 0.0], limit=4) == [10, 11, 9, 12]
    assert ids(index, queryVector=[10.2, 0.0], limit=100) == sorted(
        range(30), key=lambda i: abs(i - 10.2)
    )


@pytest.mark.parametrize(
    ("top", "vector"),
    [
        ({"numPartitions": 4}, {}),
        ({}, {"indexingMethod": "flat"}),
        ({}, {"hnswOptions": {"maxEdges": 64}}),
    ],
    ids=str,
)
def test_layout_of_an_index_does_not_change_scores(
    make_index: Make, stage: Stage, top: dict[str, Any], vector: dict[str, Any]
) -> None:
    """Ties too, which the real server would order differently for two partitions."""
    rows = np.round(drawn("float32", ROWS, 4))
    docs = [{"_id": str(i), "v": row.tolist()} for i, row in enumerate(rows)]
    query = parse_query(stage(queryVector=rows[0].tolist(), limit=50))

    plain = make_index(docs, numDimensions=4).search(query)

    assert make_index(docs, top=top, numDimensions=4, **vector).search(query) == plain
