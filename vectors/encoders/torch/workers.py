"""Batches through several processes, each with a model and a device of its own.

A process takes the next batch as soon as it is free. Each watches the process that started it, and
exits when that one has ended.
"""

import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cached_property
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

from leafsearch.vectors.encoders.base import Rows
from leafsearch.vectors.encoders.batches import TokenBatch
from leafsearch.vectors.encoders.devices import cores
from leafsearch.vectors.encoders.model_files import ModelSource
from leafsearch.vectors.errors import ModelError

_EACH = 2  # batches for each process: one in progress and one waiting


class EncoderPool:
    def __init__(
        self, name: str, source: ModelSource, devices: Sequence[str], precision: str
    ) -> None:
        """The processes start when the first batch is submitted."""
        self._name = name
        self._devices = tuple(devices)
        context = get_context("spawn")  # neither torch's threads nor CUDA survive a fork
        seats = context.SimpleQueue()
        for device in devices:
            seats.put(device)
        threads = max(1, cores() // len(devices))
        self._pool = ProcessPoolExecutor(
            len(devices), context, _start_worker, (name, source, seats, threads, precision)
        )

    @cached_property
    def precision(self) -> str:
        """The precision of documents, the same in all processes. Raises ModelError."""
        try:
            return self._pool.submit(_precision).result()
        except BrokenProcessPool as error:
            raise self._died() from error

    def run(self, batches: Iterable[TokenBatch]) -> Iterator[tuple[Sequence[int], Rows]]:
        coming = iter(batches)
        running: set[Future[list[tuple[Sequence[int], Rows]]]] = set()
        try:
            while True:
                for batch in islice(coming, _EACH * len(self._devices) - len(running)):
                    running.add(self._pool.submit(_encode, batch))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
        except BrokenProcessPool as error:
            raise self._died() from error
        finally:
            for future in running:
                future.cancel()

    def _died(self) -> ModelError:
        return ModelError(
            f"model {self._name}: one of {len(self._devices)} worker processes on "
            f"{', '.join(self._devices)} died (out of memory?); run it again, with fewer devices "
            "if it happens again"
        )

    def close(self) -> None:
        """Wait for the batches in progress and end the processes."""
        self._pool.shutdown(cancel_futures=True)


_run: Any = None  # the LocalRun of a worker process


def _start_worker(name: str, source: ModelSource, seats: Any, threads: int, precision: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process decides
    Thread(target=_exit_with_parent, daemon=True).start()
    import torch

    from leafsearch.vectors.encoders.torch.model import TransformerModel, load_model

    global _run
    device = seats.get()
    if device == "cpu":
        torch.set_num_threads(threads)
    _run = TransformerModel(name, load_model(name, source, device, precision), precision).local


def _exit_with_parent() -> None:
    parent = parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _precision() -> str:
    return str(_run.precision)


def _encode(batch: TokenBatch) -> list[tuple[Sequence[int], Rows]]:
    return list(_run.run([batch]))
