"""Batches through a model in this process. On a GPU the next one starts before a result is read."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

import torch

from leafsearch.vectors.encoders.base import Rows, unit_rows
from leafsearch.vectors.encoders.batches import Batch
from leafsearch.vectors.encoders.torch.autotune import dtype_name
from leafsearch.vectors.encoders.torch.batch_layouts import Form


@dataclass(frozen=True)
class _Started:
    indices: Sequence[int]
    rows: torch.Tensor  # in memory, perhaps still being copied there
    done: torch.cuda.Event | None  # when it is there

    def finished(self) -> tuple[Sequence[int], Rows]:
        if self.done:
            self.done.synchronize()
        return self.indices, unit_rows(self.rows.numpy())


class LocalRun:
    def __init__(self, form: Form) -> None:
        self._form = form
        self._lock = Lock()
        self.precision = dtype_name(form.dtype)
        self._in_flight = 1 if form.device.type == "cuda" else 0

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Sequence[int], Rows]]:
        waiting: deque[_Started] = deque()
        for batch in batches:
            waiting += self._started(batch)
            while len(waiting) > self._in_flight:
                yield waiting.popleft().finished()
        for started in waiting:
            yield started.finished()

    def _started(self, batch: Batch) -> list[_Started]:
        try:
            with self._lock:
                rows = self._form(batch)
        except torch.OutOfMemoryError:
            if len(batch.indices) == 1:
                raise
            # Freed by leaving the failed call; half of it may fit.
            return [started for half in batch.halves() for started in self._started(half)]
        if rows.device.type != "cuda":
            return [_Started(batch.indices, rows, None)]
        copied = rows.to("cpu", non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record(torch.cuda.current_stream(rows.device))
        return [_Started(batch.indices, copied, done)]

    def close(self) -> None:
        """Nothing runs here between two batches."""
