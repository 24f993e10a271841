"""All rows, or some, gone through on every core, and the best of them kept."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from leafmongo.engine.scorers.kernels import Chosen
from leafmongo.engine.scorers.topk import Positions, Scores, best

T = TypeVar("T")
_WORKERS = min(8, len(os.sched_getaffinity(0)))
_POOL = ThreadPoolExecutor(max(1, _WORKERS - 1), thread_name_prefix="scan")
WORTH_A_THREAD = 10_000  # rows; waking one takes as long as scanning some thousands
_MOST = 65_536  # rows at once, whose intermediate figures stay in a core's cache


def in_parts(count: int, work: Callable[[slice], T]) -> list[T]:
    """`work` over all of `count` rows in consecutive parts; its results in their order."""
    parts = max(1, min(_WORKERS, count // WORTH_A_THREAD), -(-count // _MOST))
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
    take_turns()  # this thread works too, and alone where the others are busy elsewhere
    for helper in helpers:
        if not helper.cancel():
            helper.result()
    return [results[at] for at in range(parts)]


def nearest(
    scores: Callable[[Chosen], Scores], rows: int, count: int, positions: Positions | None
) -> tuple[Positions, Scores]:
    """The best of `rows` rows, or of those at `positions`: best first, the earlier of equals."""

    def best_of(part: slice) -> tuple[Positions, Scores]:
        found = scores(part if positions is None else positions[part])
        order = best(found, count)
        return order + part.start, found[order]

    parts = in_parts(rows if positions is None else len(positions), best_of)
    places = np.concatenate([place for place, _ in parts])
    found = np.concatenate([score for _, score in parts])
    order = best(found, count)
    places = places[order]
    return (places if positions is None else positions[places]), found[order]
