"""Scalar and binary quantization: sections 2.2 and 5."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bson.binary import Binary
from numpy.typing import NDArray

from leafmongo.engine import VectorIndex, parse_query
from leafmongo.engine.scorers.scalar import Quantizer, calibrate

pytestmark = pytest.mark.semantics("5")

Make = Callable[..., VectorIndex]
Stage = Callable[..., dict[str, Any]]
SIMILARITIES = ["euclidean", "cosine", "dotProduct"]
ROWS, DIMENSIONS = 400, 256


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float32]:
    drawn = np.random.default_rng(3).normal(size=(ROWS, DIMENSIONS))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def quantised(make_index: Make, rows: NDArray[np.float32]) -> Make:
    def build(quantization: str, similarity: str, **options: Any) -> VectorIndex:
        return make_index(
            ({"_id": i, "v": row.tolist(), "f": i} for i, row in enumerate(rows)),
            ["f"],
            numDimensions=DIMENSIONS,
            similarity=similarity,
            quantization=quantization,
            **options,
        )

    return build


@pytest.fixture
def query(rows: NDArray[np.float32]) -> list[float]:
    noise = np.random.default_rng(4).normal(size=DIMENSIONS) / 50
    wanted: list[float] = (rows[17] + noise).tolist()
    return wanted


@pytest.mark.parametrize("quantization", ["scalar", "binary"])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_exact_scores_the_full_vectors(
    quantised: Make, exact: Stage, query: list[float], quantization: str, similarity: str
) -> None:
    options = parse_query(exact(queryVector=query))

    plain = quantised("none", similarity).search(options)

    assert quantised(quantization, similarity).search(options) == plain


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_scalar_scores_are_close_and_not_rescored(
    quantised: Make, stage: Stage, query: list[float], similarity: str
) -> None:
    options = parse_query(stage(queryVector=query, limit=400, numCandidates=400))

    plain = {match.id: match.score for match in quantised("none", similarity).search(options)}
    coded = {match.id: match.score for match in quantised("scalar", similarity).search(options)}

    differences = np.array([coded[each] - plain[each] for each in plain])
    assert len(coded) == ROWS
    assert 0 < np.abs(differences).mean() < 0.01
    assert np.abs(differences).max() < 0.04


def test_scalar_cosine_ignores_lengths(
    make_index: Make, stage: Stage, rows: NDArray[np.float32], query: list[float]
) -> None:
    """Vectors of documents and of the query are normalised before they are encoded."""
    lengths = np.random.default_rng(6).uniform(0.1, 10, (ROWS, 1))
    unit, other = (
        make_index(
            ({"_id": i, "v": row.tolist()} for i, row in enumerate(each)),
            numDimensions=DIMENSIONS,
            similarity="cosine",
            quantization="scalar",
        )
        for each in (rows, rows * lengths)
    )
    long = [7 * value for value in query]

    found = other.search(parse_query(stage(queryVector=long)))

    plain = {match.id: match.score for match in unit.search(parse_query(stage(queryVector=query)))}
    assert {match.id: match.score for match in found} == pytest.approx(plain, abs=1e-3)


def test_scalar_codes_by_hand() -> None:
    """Steps of 1/127: 0.5 is code 64 (63.5 rounds up), what lies outside is cut off."""
    quantizer = Quantizer(0.0, 1.0)
    rows = np.array([[0.0, 1.0, 0.5, 2.0, -1.0]], dtype=np.float32)

    assert quantizer.codes(rows).tolist() == [[0, 127, 64, 127, 0]]


def test_corrections_make_up_for_the_offset_and_the_rounding() -> None:
    """A product of codes plus both corrections is nearly the product of the floats."""
    rng = np.random.default_rng(5)
    rows = rng.uniform(-0.5, 0.7, (2, 200)).astype(np.float32)
    quantizer = Quantizer(-0.5, 0.7)
    codes = quantizer.codes(rows)

    product = float(codes[0].astype(int) @ codes[1].astype(int)) * quantizer.step**2

    approximate = product + float(quantizer.corrections(rows, codes).sum())
    assert approximate == pytest.approx(float(rows[0] @ rows[1]), abs=0.3)
    assert abs(approximate - float(rows[0] @ rows[1])) < abs(product - float(rows[0] @ rows[1]))


def test_quantiles_leave_out_the_tails() -> None:
    rows = np.random.default_rng(5).normal(size=(2000, 128)).astype(np.float32)

    quantizer = calibrate(rows)

    inside = ((rows > quantizer.low) & (rows < quantizer.high)).mean()
    assert inside == pytest.approx(1 - 1 / 129, abs=0.002)


@pytest.mark.parametrize("vectors", [[[0.5, 0.5]], [[0.0, 0.0]], [[1.0, 2.0], [3.0, 4.0]]])
@pytest.mark.parametrize("similarity", ["euclidean", "dotProduct"])
def test_scalar_with_few_vectors(
    make_index: Make, ids: Callable[..., list[Any]], vectors: Any, similarity: str
) -> None:
    index = make_index(
        ({"_id": i, "v": v} for i, v in enumerate(vectors)),
        similarity=similarity,
        quantization="scalar",
    )

    assert sorted(ids(index)) == list(range(len(vectors)))


def test_scalar_keeps_up_with_changes(
    quantised: Make, stage: Stage, rows: NDArray[np.float32]
) -> None:
    """Codes are made at the first search and follow rows added, updated or removed later."""
    index = quantised("scalar", "cosine")
    wanted = parse_query(stage(queryVector=rows[0].tolist(), limit=2, numCandidates=400))
    assert index.search(wanted)[0].id == 0

    index.upsert_many([{"_id": "new", "v": rows[0].tolist()}, {"_id": 0, "v": rows[1].tolist()}])
    assert index.search(wanted)[0].id == "new"
    index.upsert_many({"_id": f"more {n}", "v": row.tolist()} for n in range(4) for row in rows[1:])
    index.remove_many(range(ROWS))
    assert index.search(wanted)[0].id == "new"
    assert index.search(wanted)[0].score > 0.99


def two_stages(
    rows: NDArray[np.float32], query: NDArray[np.float32], limit: int, candidates: int
) -> list[int]:
    """The server's procedure: sign bits, then query against signs, then full scores."""
    hamming = ((rows > 0) != (query > 0)).sum(axis=1)
    nearest = np.sort(np.argsort(hamming, kind="stable")[:candidates])
    signs = np.where(rows[nearest] > 0, 1.0, -1.0) @ query.astype(np.float64)
    kept = np.sort(nearest[np.argsort(-signs, kind="stable")[: math.isqrt(limit * candidates)]])
    final = rows[kept].astype(np.float64) @ query.astype(np.float64)
    ordered: list[int] = kept[np.argsort(-final, kind="stable")[:limit]].tolist()
    return ordered


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize(("limit", "candidates"), [(1, 1), (5, 20), (10, 100), (10, 400)])
def test_binary_is_rescored_in_two_stages(
    quantised: Make,
    stage: Stage,
    rows: NDArray[np.float32],
    query: list[float],
    similarity: str,
    limit: int,
    candidates: int,
) -> None:
    """All three similarities order unit rows in the same way."""
    options = stage(queryVector=query, limit=limit, numCandidates=candidates)

    found = quantised("binary", similarity).search(parse_query(options))

    expected = two_stages(rows, np.array(query, dtype=np.float32), limit, candidates)
    assert [match.id for match in found] == expected


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_binary_ends_with_the_scores_of_the_full_vectors(
    quantised: Make, stage: Stage, query: list[float], similarity: str
) -> None:
    options = parse_query(stage(queryVector=query, limit=10, numCandidates=400))

    plain = {
        match.id: match.score
        for match in quantised("none", similarity).search(
            parse_query(stage(queryVector=query, limit=400, numCandidates=400))
        )
    }

    for match in quantised("binary", similarity).search(options):
        assert match.score == plain[match.id]


@pytest.mark.semantics("4.5")
@pytest.mark.parametrize("quantization", ["none", "scalar", "binary"])
def test_filter_comes_before_the_candidates(
    quantised: Make, ids: Callable[..., list[Any]], query: list[float], quantization: str
) -> None:
    """With few candidates, a filtered search still finds all documents that pass."""
    index = quantised(quantization, "cosine")

    found = ids(
        index, queryVector=query, limit=5, numCandidates=5, filter={"f": {"$gte": ROWS - 5}}
    )

    assert sorted(found) == list(range(ROWS - 5, ROWS))


@pytest.mark.semantics("3.1")
@pytest.mark.parametrize("quantization", ["none", "scalar", "binary"])
def test_parent_filter_comes_after_the_candidates(
    quantised: Make,
    ids: Callable[..., list[Any]],
    exact: Stage,
    rows: NDArray[np.float32],
    quantization: str,
) -> None:
    """An approximate search may then find nothing; an exact one loses nothing."""
    index = quantised(quantization, "cosine")
    options = {"queryVector": rows[17].tolist(), "parentFilter": {"f": {"$ne": 17}}}

    few = ids(index, limit=1, numCandidates=1, **options)
    enough = ids(index, limit=1, numCandidates=400, **options)
    all_of_them = index.search(parse_query(exact(limit=1000, **options)))

    assert few == []
    assert len(enough) == 1
    assert sorted(match.id for match in all_of_them) == [i for i in range(ROWS) if i != 17]


def coded(rows: NDArray[np.float32]) -> NDArray[np.int8]:
    return np.rint(rows / np.abs(rows).max() * 127).astype(np.int8)


def stored(row: NDArray[np.int8]) -> Binary:
    return Binary(b"\x03\x00" + row.tobytes(), 9)


@pytest.fixture
def quantised_int8(make_index: Make, rows: NDArray[np.float32]) -> Make:
    def build(quantization: str, similarity: str) -> VectorIndex:
        return make_index(
            ({"_id": i, "v": stored(row)} for i, row in enumerate(coded(rows))),
            numDimensions=DIMENSIONS,
            similarity=similarity,
            quantization=quantization,
        )

    return build


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_exact_search_scores_the_stored_int8_under_binary(
    quantised_int8: Make, exact: Stage, rows: NDArray[np.float32], similarity: str
) -> None:
    options = parse_query(exact(queryVector=stored(coded(rows)[17])))

    plain = quantised_int8("none", similarity).search(options)

    assert plain[0].id == 17
    assert quantised_int8("binary", similarity).search(options) == plain


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_int8_under_binary_is_chosen_by_signs_and_rescored_by_int8(
    quantised_int8: Make, stage: Stage, rows: NDArray[np.float32], similarity: str
) -> None:
    """Both steps against plain numpy: the nearest by Hamming distance, of these the best by the
    whole query against signs, of these the best by int8."""
    codes = coded(rows)
    asked = codes[17]
    limit, candidates = 5, 40
    options = parse_query(stage(queryVector=stored(asked), limit=limit, numCandidates=candidates))

    found = quantised_int8("binary", similarity).search(options)

    distances = ((codes > 0) != (asked > 0)).sum(axis=1)
    near = np.sort(np.argsort(distances, kind="stable")[:candidates])
    products = np.where(codes[near] > 0, 1, -1) @ asked.astype(int)
    kept = near[np.argsort(-products, kind="stable")[: math.isqrt(limit * candidates)]]
    plain = quantised_int8("none", similarity).search(
        parse_query(stage(queryVector=stored(asked), limit=ROWS, numCandidates=ROWS))
    )
    wanted = [match for match in plain if match.id in kept][:limit]
    assert found == wanted
    # The candidates are fewer than all, so the best by int8 are not all among them.
    assert [match.id for match in found] != [match.id for match in plain[:limit]]


def test_float_query_finds_no_int8_under_binary(
    quantised_int8: Make, stage: Stage, query: list[float]
) -> None:
    assert quantised_int8("binary", "cosine").search(parse_query(stage(queryVector=query))) == []
