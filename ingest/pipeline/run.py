"""read -> plan -> encode -> write, all at the same time, encoding only what is not stored yet.

The collection decides what is left to do, so running a killed run again finishes it. Between the
stages are short queues: the encoder, which takes the time, does not wait for the others, and no
stage runs far ahead.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from threading import Event, Thread
from typing import Any

from leafsearch.ingest.document import Document, Rejected
from leafsearch.ingest.pipeline.encode import encode
from leafsearch.ingest.pipeline.extent import ALL, Extent, Seen
from leafsearch.ingest.pipeline.plan import Plan, plan_windows
from leafsearch.ingest.pipeline.queue import Channel, Stopped
from leafsearch.ingest.pipeline.read import Reader
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.pipeline.remarks import Remarks
from leafsearch.ingest.pipeline.stats import OnProgress, Summary, Tally
from leafsearch.ingest.pipeline.write import Encoded, Writer, without_vectors
from leafsearch.ingest.target.target import Target

_WINDOWS = 4  # of documents that are read ahead
_PLANNED = 8  # windows whose chunks wait for the encoder
_ENCODED = 32  # batches that wait to be written
_LAST_WRITE = 10.0  # seconds for batches in flight when the run is interrupted


def ingest(
    records: Iterable[Document | Rejected],
    target: Target,
    *,
    rejects: Rejects,
    on_progress: OnProgress = lambda summary: None,
    extent: Extent = ALL,
    remarks: Remarks | None = None,
) -> Summary:
    """Write a corpus into `target`; calls `on_progress` with the running summary after each
    step.

    Documents that are stored but not among `records` stay as they are. What was read before an
    error of the source is written, and what was encoded before an error of the encoder. `remarks`
    collects what the documents themselves have to say.
    """
    rejects.begin()
    target.retries.reset()
    tally, started = Tally(on_progress), time.monotonic()
    try:
        with closing(Seen()) as own:
            seen = own if extent.seen is None else extent.seen
            reading = Reader(records, rejects, tally, seen, extent, remarks or Remarks())
            _Run(target, reading, tally).run()
    finally:
        tally.summary.seconds = round(time.monotonic() - started, 3)
    return tally.summary


class _Run:
    """Reading, planning and writing have a thread each; the encoder works in the caller's."""

    def __init__(self, target: Target, reading: Reader, tally: Tally) -> None:
        self._target = target
        self._reading = reading
        self._tally = tally
        self._errors: list[BaseException] = []
        self._stop_encoding, self._stop_writing = self._stop_all = Event(), Event()
        self._windows: Channel[Sequence[Document]] = Channel(_WINDOWS, self._stop_encoding)
        self._plans: Channel[Sequence[Plan]] = Channel(_PLANNED, self._stop_encoding)
        self._encoded: Channel[Encoded] = Channel(_ENCODED, self._stop_writing)

    def run(self) -> None:
        reader = self._thread(self._read, self._windows)
        planner = self._thread(self._plan, self._plans, self._stop_encoding)
        writer = self._thread(self._write, None, *self._stop_all)
        try:
            self._stage(self._encode, self._encoded, self._stop_encoding)
            self._require_no_interrupt()
            planner.join()
            writer.join()
        except BaseException:  # an interrupt does not wait for a model
            for stop in self._stop_all:
                stop.set()
            writer.join(0 if self._target.retries.is_waiting else _LAST_WRITE)
            raise
        if not self._stop_encoding.is_set():  # otherwise it may wait for its input for ever
            reader.join()
        if self._errors:
            raise self._errors[0]

    def _require_no_interrupt(self) -> None:
        for error in self._errors:
            if not isinstance(error, Exception):
                raise error

    def _thread(self, work: Callable[[], None], *rest: Any) -> Thread:
        thread = Thread(target=self._stage, args=(work, *rest), daemon=True)
        thread.start()
        return thread

    def _stage(
        self, work: Callable[[], None], into: Channel[Any] | None, *stops_at_error: Event
    ) -> None:
        """Run one stage. What it passed on before an error goes its way, unless `stops_at_error`
        stops it."""
        try:
            work()
        except Stopped:
            pass
        except BaseException as error:
            self._errors.append(error)
            for stop in stops_at_error if isinstance(error, Exception) else self._stop_all:
                stop.set()
        finally:
            if into:
                into.close()

    def _read(self) -> None:
        for window in self._reading.windows():
            self._windows.put(window)

    def _plan(self) -> None:
        for planned in plan_windows(self._entered(), self._target, self._tally):
            if old := [plan for plan in planned if not plan.new]:
                self._encoded.put(without_vectors(old))
            if new := [plan for plan in planned if plan.new]:
                self._plans.put(new)

    def _entered(self) -> Iterator[Sequence[Document]]:
        """The windows; announces this run to others before the first look at what is stored."""
        for window in self._windows:
            if window:
                self._target.registration.enter()
            yield window

    def _encode(self) -> None:
        for part in encode(self._plans, self._target, self._tally):
            self._encoded.put(part)

    def _write(self) -> None:
        Writer(self._target, self._tally, self._reading.refuse).write_all(self._encoded)
