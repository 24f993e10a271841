"""Searches that come while the same rows are gone through wait, then go through them together.

Memory gives a row to several queries as fast as to one. A search that comes alone never waits.
"""

import threading
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.scorers.kernels import many_products
from leafmongo.engine.scorers.scan import in_parts

_MOST = 8  # queries at once; of more, each would take as long as by itself

Products = NDArray[np.int32]


@dataclass(eq=False)
class _Request:
    rows: NDArray[np.int8]
    query: NDArray[np.int8]
    told: threading.Event = field(default_factory=threading.Event)
    found: Products | None = None
    error: BaseException | None = None


class SharedScan:
    """One for each set of rows that grows; `rows` are what it was when a search began."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Request] = []
        self._is_busy = False

    def products(self, rows: NDArray[np.int8], query: NDArray[np.int8]) -> Products:
        """(n,) of these rows with the query."""
        request = _Request(rows, query)
        with self._lock:
            self._waiting.append(request)
            leads = not self._is_busy
            self._is_busy = True
        if not leads:
            request.told.wait()
        if request.error:
            raise request.error
        return self._lead(request) if request.found is None else request.found

    def _lead(self, request: _Request) -> Products:
        """Scans for this request and for those that can go with it, and names who is next."""
        with self._lock:
            fitting = [one for one in self._waiting if _are_same(one.rows, request.rows)]
            others = [one for one in fitting if one is not request][: _MOST - 1]
            group = [request, *others]
            self._waiting = [one for one in self._waiting if one not in group]
        try:
            for one, found in zip(group, _scanned(request.rows, group), strict=True):
                one.found = found
        except BaseException as error:
            for one in others:
                one.error = error
            raise
        finally:
            for one in others:
                one.told.set()
            self._hand_on()
        assert request.found is not None
        return request.found

    def _hand_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting[0].told.set()
            else:
                self._is_busy = False


def _scanned(rows: NDArray[np.int8], group: list[_Request]) -> Products:
    queries = np.stack([one.query for one in group])
    found = np.empty((len(group), len(rows)), dtype=np.int32)

    def scan(part: slice) -> None:
        found[:, part] = many_products(rows[part], queries).T

    in_parts(len(rows), scan)
    return found


def _are_same(one: NDArray[np.int8], other: NDArray[np.int8]) -> bool:
    return one.shape == other.shape and one.ctypes.data == other.ctypes.data
