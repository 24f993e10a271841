"""Concurrent searches share a scan, and each gets the results it would get alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from leafmongo.engine.scorers import kernels
from leafmongo.engine.scorers.scan import SharedScan

pytestmark = pytest.mark.skipif(not kernels.ACCELERATED, reason="needs numkong")
ROWS = np.random.default_rng(1).integers(-127, 128, (30_000, 32)).astype(np.int8)
QUERIES = np.random.default_rng(2).integers(-127, 128, (64, 32)).astype(np.int8)


def alone(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    return rows.astype(np.int64) @ query.astype(np.int64)


def test_single_search() -> None:
    np.testing.assert_array_equal(SharedScan().products(ROWS, QUERIES[0]), alone(ROWS, QUERIES[0]))


def test_concurrent_searches_get_their_own_results() -> None:
    shared, ready = SharedScan(), threading.Barrier(16)

    def ask(number: int) -> np.ndarray:
        ready.wait()
        return shared.products(ROWS, QUERIES[number])

    with ThreadPoolExecutor(16) as pool:
        for start in range(0, 64, 16):
            for number, found in enumerate(pool.map(ask, range(start, start + 16)), start):
                np.testing.assert_array_equal(found, alone(ROWS, QUERIES[number]))


def test_different_rows_are_scanned_separately() -> None:
    shared, ready = SharedScan(), threading.Barrier(12)
    parts = [ROWS, ROWS[:20_000], ROWS.copy()]

    def ask(number: int) -> np.ndarray:
        ready.wait()
        return shared.products(parts[number % 3], QUERIES[number])

    with ThreadPoolExecutor(12) as pool:
        for number, found in enumerate(pool.map(ask, range(12))):
            np.testing.assert_array_equal(found, alone(parts[number % 3], QUERIES[number]))


def test_failed_scan_does_not_stop_the_others() -> None:
    shared, ready = SharedScan(), threading.Barrier(8)
    wrong = ROWS[:, :16]  # of fewer dimensions than the queries

    def ask(number: int) -> str:
        ready.wait()
        try:
            shared.products(wrong if number % 2 else ROWS, QUERIES[number])
        except Exception:
            return "failed"
        return "found"

    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert list(pool.map(ask, range(8))) == ["found", "failed"] * 4
