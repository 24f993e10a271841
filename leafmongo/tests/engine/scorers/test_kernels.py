"""numkong and numpy compute the same integer products and distances."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from leafmongo.engine.arrays import best
from leafmongo.engine.scorers import kernels, scan

needs_numkong = pytest.mark.skipif(not kernels.ACCELERATED, reason="needs numkong")
MANY = 2 * scan.WORTH_A_THREAD + 1  # enough for several threads, with uneven shares
POSITIONS = {
    "all": None,
    "none": np.array([], dtype=np.int64),
    "few": np.array([0, 7, MANY - 1]),
    "most": np.delete(np.arange(MANY), [3, 4]),
}


def of_int8(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-128, 128, (rows, columns)).astype(np.int8)


def of_words(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).integers(2**64, size=(rows, columns), dtype=np.uint64)


@pytest.mark.parametrize("columns", [1, 2, 63, 64, 255, 256, 1025, 8192])
@pytest.mark.parametrize(
    "product",
    [kernels._numpy_product, pytest.param(kernels._numkong_product, marks=needs_numkong)],
)
def test_products_are_exact(product: Callable[..., Any], columns: int) -> None:
    rows = of_int8(9, columns)
    rows[1], rows[2] = -128, 127
    queries = [rows[0], rows[1], rows[2]]

    for query in queries:
        expected = rows.astype(np.int64) @ query.astype(np.int64)
        np.testing.assert_array_equal(product(rows, query), expected)


@pytest.mark.parametrize("columns", [1, 2, 4, 16, 128])
@pytest.mark.parametrize(
    "distance",
    [kernels._numpy_distance, pytest.param(kernels._numkong_distance, marks=needs_numkong)],
)
def test_distances_are_exact(distance: Callable[..., Any], columns: int) -> None:
    rows = of_words(9, columns)
    rows[1] = ~rows[0]

    expected = [sum(map(int.bit_count, (row ^ rows[0]).tolist())) for row in rows]
    np.testing.assert_array_equal(distance(rows, rows[0]), expected)


@pytest.mark.parametrize("name", POSITIONS)
def test_rows_are_chosen_by_a_slice_or_by_positions(name: str) -> None:
    numbers, words = of_int8(MANY, 16), of_words(MANY, 2)
    chosen = slice(None) if POSITIONS[name] is None else POSITIONS[name]

    products = kernels.products(numbers, numbers[5], chosen)
    distances = kernels.distances(words, words[5], chosen)

    expected = numbers.astype(np.int64) @ numbers[5].astype(np.int64)
    np.testing.assert_array_equal(products, expected[chosen])
    np.testing.assert_array_equal(distances, np.bitwise_count(words ^ words[5]).sum(1)[chosen])


@pytest.mark.parametrize("count", [1, 10, MANY - 5, 2 * MANY])
@pytest.mark.parametrize("name", POSITIONS)
def test_threads_keep_the_order_of_a_single_thread(name: str, count: int) -> None:
    scores = np.random.default_rng(0).integers(50, size=MANY).astype(np.float32)
    positions = POSITIONS[name]
    all_positions = np.arange(MANY) if positions is None else positions
    order = best(scores[all_positions], count)

    places, found = scan.find_nearest(lambda chosen: scores[chosen], MANY, count, positions)

    np.testing.assert_array_equal(places, all_positions[order])
    np.testing.assert_array_equal(found, scores[all_positions][order])


@pytest.mark.parametrize("count", [0, 1, 9_999, 20_000, 100_003, 1_000_000])
def test_parts_are_consecutive_and_complete(count: int) -> None:
    parts = scan.map_parts(count, lambda part: list(range(part.start, part.stop)))

    assert [row for part in parts for row in part] == list(range(count))
