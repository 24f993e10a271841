"""Codes drop only vectors that cannot be among the best."""

from dataclasses import replace

import numpy as np
import pytest

from leafmongo.engine.arrays import GrowingArray, best
from leafmongo.engine.scorers.coarse import CoarseCodes, CoarseQuery, encode_rows
from leafmongo.engine.scorers.floats import FloatScorer
from leafmongo.engine.scorers.scoring import euclidean_score, product_score

SIMILARITIES = ("cosine", "dotProduct", "euclidean")
COUNT, DIMENSIONS = 25_000, 24
RNG = np.random.default_rng(3)


def gaussian() -> np.ndarray:
    return RNG.standard_normal((COUNT, DIMENSIONS))


def unit() -> np.ndarray:
    rows = gaussian()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def narrow_cone() -> np.ndarray:
    """Rows nearly equal, which the codes can hardly tell apart."""
    return 1 + 1e-3 * gaussian()


def repeated() -> np.ndarray:
    return np.tile(gaussian()[:50], (COUNT // 50, 1))


def one_huge() -> np.ndarray:
    rows = unit()
    rows[1234] *= 1e6
    return rows


def of_many_lengths() -> np.ndarray:
    return gaussian() * 10.0 ** RNG.uniform(-12, 6, (COUNT, 1))


def sparse() -> np.ndarray:
    return np.where(RNG.random((COUNT, DIMENSIONS)) < 0.1, gaussian(), 0) + np.eye(DIMENSIONS)[0]


CORPORA = {
    make.__name__: make().astype(np.float32)
    for make in (gaussian, unit, narrow_cone, repeated, one_huge, of_many_lengths, sparse)
}


def scorer(rows: np.ndarray, similarity: str, query: np.ndarray) -> FloatScorer:
    """A scorer with codes."""
    norms = np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1))
    codes = CoarseCodes(rows.shape[1])
    codes.extend(rows)
    return FloatScorer(rows, norms, similarity, query, codes.view(norms, similarity))


def scores(rows: np.ndarray, similarity: str, query: np.ndarray) -> np.ndarray:
    """Scores by the formulas, in float64."""
    exact, wanted = rows.astype(np.float64), query.astype(np.float64)
    if similarity == "euclidean":
        return euclidean_score(((exact - wanted) ** 2).sum(axis=1))
    products = (exact * wanted).sum(axis=1)
    if similarity == "cosine":
        products /= np.sqrt((exact**2).sum(axis=1)) * np.sqrt((wanted**2).sum())
    return product_score(products)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("name", CORPORA)
def test_codes_find_the_best_of_a_plain_scan(name: str, similarity: str) -> None:
    rows = CORPORA[name]
    for query in (rows[77], rows[1234], -rows[3], RNG.standard_normal(DIMENSIONS).astype("f4")):
        expected = scores(rows, similarity, query)
        order = best(expected, 10)

        positions, found = scorer(rows, similarity, query).nearest(10, None)

        np.testing.assert_array_equal(found, expected[order])
        np.testing.assert_array_equal(positions, order)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("kept", [COUNT, 24_000, 6_000, 800, 7, 0])
@pytest.mark.parametrize("count", [1, 300])
def test_best_of_some_are_the_same_with_codes_as_without(
    similarity: str, kept: int, count: int
) -> None:
    rows = CORPORA["unit"]
    chosen = np.sort(RNG.permutation(COUNT)[:kept])
    with_codes = scorer(rows, similarity, rows[5])

    found = with_codes.nearest(count, chosen)
    expected = replace(with_codes, coarse=None).nearest(count, chosen)

    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize(
    ("query", "beside"),
    [((0.0, 1.0), 0.5), ((127.0, 3.5), 0.0), ((127.0, 3.4999), 0.4999), ((-127.0, 0.499), -0.499)],
)
def test_bounds_hold_in_the_worst_case(
    similarity: str, query: tuple[float, float], beside: float
) -> None:
    """In two dimensions the rest can be parallel to the query, which reaches the bounds."""
    rows = np.array([[127, n + beside] for n in range(-100, 100)] + [[0, 1], [0, -9]], "f4")
    wanted = np.array(query, dtype=np.float32)
    norms = np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1))
    codes = CoarseCodes(2)
    codes.extend(rows)

    coarse, asked = codes.view(norms, similarity), CoarseQuery.of(wanted)
    middle = coarse._middle(asked, slice(0, 202), coarse.shared.products(coarse.codes, asked.codes))
    lower, upper = coarse._bounds(asked, np.arange(202), middle)
    widest = coarse._widest(asked, slice(0, 202))

    exact = rows.astype(np.float64) @ wanted.astype(np.float64)
    if similarity == "cosine":
        exact /= norms * np.linalg.norm(wanted)
    elif similarity == "euclidean":
        exact = 2 * exact - norms**2
    else:
        exact = np.maximum(exact, -1)
    assert np.all(lower <= exact)
    assert np.all(exact <= upper)
    assert np.all(
        upper <= np.maximum(middle + widest, -1 if similarity == "dotProduct" else -np.inf)
    )


def test_products_below_minus_one_score_equally() -> None:
    rows = -7 * np.abs(CORPORA["gaussian"]) - 1
    query = np.abs(CORPORA["gaussian"][5])

    positions, found = scorer(rows, "dotProduct", query).nearest(10, None)

    assert positions.tolist() == list(range(10))
    assert found.tolist() == [0] * 10


def test_zero_query_finds_the_first_or_the_shortest() -> None:
    rows, zero = CORPORA["gaussian"], np.zeros(DIMENSIONS, dtype=np.float32)

    products, _ = scorer(rows, "dotProduct", zero).nearest(3, None)
    distances, _ = scorer(rows, "euclidean", zero).nearest(3, None)

    assert products.tolist() == [0, 1, 2]
    assert distances.tolist() == best(scores(rows, "euclidean", zero), 3).tolist()


@pytest.mark.filterwarnings("error")
def test_vectors_too_long_for_float32_products_still_come_in_order() -> None:
    rows = CORPORA["unit"] * np.float32(1e30)

    positions, found = scorer(rows, "dotProduct", rows[5]).nearest(4, None)

    assert found.tolist() == [np.inf] * 4  # all alike, so the first in the order of insertion
    assert positions.tolist() == best(scores(rows, "dotProduct", rows[5]), 4).tolist()


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_few_unit_vectors_are_contenders(similarity: str) -> None:
    rows = CORPORA["unit"]
    coarse = scorer(rows, similarity, rows[5]).coarse
    assert coarse is not None

    assert 10 <= len(coarse.contenders(rows[5], 10, None)) < 200


def test_one_long_vector_does_not_spoil_the_codes_of_the_others() -> None:
    rows = CORPORA["one_huge"]
    coarse = scorer(rows, "dotProduct", rows[5]).coarse
    assert coarse is not None

    assert len(coarse.contenders(rows[5], 10, None)) < 200


@pytest.mark.parametrize("scale", [1e-44, 1e-38, 1e-3, 1.0, 1e30, 3e38])
def test_rest_length_is_not_understated(scale: float) -> None:
    rows = (RNG.uniform(-1, 1, (100, 9)) * scale).astype(np.float32)
    rows[0] = 0

    codes, steps, rests = encode_rows(rows)

    left = rows.astype(np.float64) - codes * steps.astype(np.float64)[:, None]
    assert np.all(np.sqrt((left**2).sum(axis=1)) <= rests * (1 + 1e-9))


def test_dropped_rows_drop_their_codes() -> None:
    rows, mask = CORPORA["gaussian"], np.arange(COUNT) % 3 > 0
    codes, fresh = CoarseCodes(DIMENSIONS), CoarseCodes(DIMENSIONS)
    codes.extend(rows)
    fresh.extend(rows[mask])

    codes.keep(mask)

    norms = GrowingArray(np.float64).view
    kept, expected = codes.view(norms, "cosine"), fresh.view(norms, "cosine")
    np.testing.assert_array_equal(kept.codes, expected.codes)
    np.testing.assert_array_equal(kept.rests, expected.rests)
