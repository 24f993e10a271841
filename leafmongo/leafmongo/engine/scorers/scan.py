"""Scans rows on every core, and lets concurrent searches share a scan."""

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.arrays import Positions, Scores, best
from leafmongo.engine.scorers.kernels import Chosen, many_products

T = TypeVar("T")
_WORKERS = min(8, len(os.sched_getaffinity(0)))
_POOL = ThreadPoolExecutor(max(1, _WORKERS - 1), thread_name_prefix="scan")
WORTH_A_THREAD = 10_000  # rows; waking a thread takes as long as scanning some thousands
_PART_ROWS = 65_536  # intermediate results for so many fit a core's cache
_MAX_QUERIES = 8  # of one scan; with more, sharing saves nothing
Products = NDArray[np.int32]


def map_parts(count: int, work: Callable[[slice], T]) -> list[T]:
    """Apply `work` to consecutive parts of `count` rows; the results in order."""
    parts = max(1, min(_WORKERS, count // WORTH_A_THREAD), -(-count // _PART_ROWS))
    ends = [count * part // parts for part in range(parts + 1)]
    waiting = deque(enumerate(map(slice, ends, ends[1:])))
    results: dict[int, T] = {}

    def take_turns() -> None:
        while True:
            try:
                at, part = waiting.popleft()
            except IndexError:
                return
            results[at] = work(part)

    helpers = [_POOL.submit(take_turns) for _ in range(min(_WORKERS, parts) - 1)]
    take_turns()  # this thread works too, alone if the others are busy
    for helper in helpers:
        if not helper.cancel():
            helper.result()
    return [results[at] for at in range(parts)]


def find_nearest(
    scores: Callable[[Chosen], Scores], rows: int, count: int, positions: Positions | None
) -> tuple[Positions, Scores]:
    """The `count` best rows, of all or of those at `positions`; best first, ties by position."""

    def best_of(part: slice) -> tuple[Positions, Scores]:
        found = scores(part if positions is None else positions[part])
        order = best(found, count)
        return order + part.start, found[order]

    parts = map_parts(rows if positions is None else len(positions), best_of)
    places = np.concatenate([place for place, _ in parts])
    found = np.concatenate([score for _, score in parts])
    order = best(found, count)
    places = places[order]
    return (places if positions is None else positions[places]), found[order]


@dataclass(eq=False)
class _Request:
    rows: NDArray[np.int8]
    query: NDArray[np.int8]
    turn: threading.Event = field(default_factory=threading.Event)
    found: Products | None = None
    error: BaseException | None = None


class SharedScan:
    """Searches that arrive during a scan of the same rows wait, then scan them together.

    Memory delivers a row to several queries as fast as to one. A search that arrives alone never
    waits. Each growing store has one; `rows` are its rows as of the start of a search.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Request] = []
        self._is_busy = False

    def products(self, rows: NDArray[np.int8], query: NDArray[np.int8]) -> Products:
        """(n,) dot products of the rows with the query."""
        request = _Request(rows, query)
        with self._lock:
            self._waiting.append(request)
            leads = not self._is_busy
            self._is_busy = True
        if not leads:
            request.turn.wait()
        if request.error:
            raise request.error
        return self._lead(request) if request.found is None else request.found

    def _lead(self, request: _Request) -> Products:
        """Scan for this request and those that fit it, then wake the next request."""
        with self._lock:
            fitting = [one for one in self._waiting if _are_same(one.rows, request.rows)]
            others = [one for one in fitting if one is not request][: _MAX_QUERIES - 1]
            group = [request, *others]
            self._waiting = [one for one in self._waiting if one not in group]
        try:
            for one, found in zip(group, _scan(request.rows, group), strict=True):
                one.found = found
        except BaseException as error:
            for one in others:
                one.error = error
            raise
        finally:
            for one in others:
                one.turn.set()
            self._hand_on()
        assert request.found is not None
        return request.found

    def _hand_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting[0].turn.set()
            else:
                self._is_busy = False


def _scan(rows: NDArray[np.int8], group: list[_Request]) -> Products:
    queries = np.stack([one.query for one in group])
    found = np.empty((len(group), len(rows)), dtype=np.int32)

    def scan(part: slice) -> None:
        found[:, part] = many_products(rows[part], queries).T

    map_parts(len(rows), scan)
    return found


def _are_same(one: NDArray[np.int8], other: NDArray[np.int8]) -> bool:
    return one.shape == other.shape and one.ctypes.data == other.ctypes.data
