"""What a run reports: a progress line while it works, a summary at its end."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from leafsearch.config.hint import multilingual_hint
from leafsearch.config.text import counted, one_line
from leafsearch.ingest.pipeline.stats import Summary
from leafsearch.ingest.runs.forecast import Forecast, FormOutlook
from leafsearch.ingest.sources.files.corpus import Corpus
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.ingest.target.target import Target
from leafsearch.vectors import Collection, DeploymentError
from leafsearch.vectors.store import is_transient

_SPEED_PERIOD = 3600.0  # seconds; a step of a large model on a processor may take minutes
_INTERNAL = ("last_written", "planned", "repeated")


class Display:
    """A progress line; `corpus` knows how much has been read, and of how much."""

    def __init__(self, progress: Progress, task: TaskID, corpus: Corpus | MongoSource) -> None:
        self._progress = progress
        self._task = task
        self._corpus = corpus
        self._started = 0.0
        self._phase = ""

    def phase(self, text: str) -> None:
        self._phase = one_line(text)
        self._progress.update(self._task, description=self._phase)

    def begin(self) -> None:
        """Reading begins. The files are counted for a terminal only."""
        self._phase = ""
        self._started = time.monotonic()
        if not self._progress.disable:
            self._progress.reset(self._task, total=self._corpus.size(), description="reading")

    def step(self, summary: Summary) -> None:
        if self._progress.disable:
            return
        rate = summary.tokens / max(time.monotonic() - self._started, 0.001)
        # What is read and not written is not done yet.
        done = self._corpus.bytes_read * _written(summary) / max(summary.planned, 1)
        # What is read meanwhile must not hide what all of it waits for.
        is_waiting = self._phase and not (summary.tokens or _written(summary))
        shown = self._phase if is_waiting else line(summary, rate)
        self._progress.update(self._task, completed=done, description=shown)


class _Time(TimeRemainingColumn):
    """The remaining time, or the elapsed time while the remaining one is unknown."""

    def render(self, task: Task) -> Text:
        if task.total is None or task.time_remaining is None:
            return TimeElapsedColumn().render(task).append(" so far")
        return super().render(task).append(" left")


@contextmanager
def progress(corpus: Corpus | MongoSource, console: Console | None = None) -> Iterator[Display]:
    """Show a progress line on stderr, only if that is a terminal."""
    console = console or Console(stderr=True)
    columns = (
        SpinnerColumn(),
        BarColumn(bar_width=10),
        TaskProgressColumn(),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        _Time(table_column=Column(no_wrap=True)),
    )
    with Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        speed_estimate_period=_SPEED_PERIOD,
    ) as shown:
        yield Display(shown, shown.add_task("connecting", total=None), corpus)


def line(summary: Summary, rate: float) -> str:
    """`rate`: tokens a second, of what is encoded. Short enough for a terminal of 80 columns."""
    speed = f", {_short(rate)} tokens/s" if rate else ""
    rejected = f", {_short(summary.rejected)} rejected" if summary.rejected else ""
    written = _written(summary)
    if not written:
        return f"reading: {_counted(summary.planned, 'chunk')}{speed}{rejected}"
    documents = f"{_counted(summary.documents, 'doc')}, " if summary.documents else ""
    return f"{documents}{_counted(written, 'chunk')}{speed}{rejected}"


def _written(summary: Summary) -> int:
    """Chunks, also of documents that are not whole yet."""
    return max(summary.chunks, summary.encoded)


def _counted(number: int, word: str) -> str:
    return f"{_short(number)} {word}{'' if number == 1 else 's'}"


def as_object(
    summary: Summary, target: Target, column_types: Mapping[str, Any] | None = None
) -> str:
    """`column_types`: by file and column."""
    numbers = {k: v for k, v in asdict(summary).items() if k not in _INTERNAL}
    made: dict[str, Any] = {"encode_precision": target.manifest.encode_precision}
    made["column_types"] = dict(column_types or {})
    return json.dumps({"collection": target.collection.mongo.full_name, **numbers, **made})


def as_text(summary: Summary, target: Target) -> str:
    manifest, collection = target.manifest, target.collection
    quantized = f", {manifest.quantization} quantization" if manifest.quantization != "none" else ""
    gone = _documents_gone(summary.pruned)
    pruned = f"pruned {gone}\n" if summary.pruned else ""
    in_place = manifest.layout == "in_place"
    unknown = "".join(f"{line}\n" for line in _unknown(summary.unknown, summary.encoded, target))
    computed = f"; encoded in {manifest.encode_precision}" if manifest.encode_precision else ""
    return (
        f"{counted(summary.documents, 'document')} in {counted(summary.chunks, 'chunk')}: "
        f"{summary.encoded:,} encoded, {summary.updated:,} updated, "
        f"{summary.unchanged:,} unchanged, {summary.removed:,} removed ({summary.seconds:.1f} s)\n"
        f"{pruned}{unknown}"
        f"{collection.mongo.full_name} holds {_held(collection, in_place=in_place)} as "
        f"{manifest.codec.form}{quantized}, {manifest.codec.form.bytes:,} bytes "
        f"a vector{computed}"
    )


def _unknown(count: int, encoded: int, target: Target) -> Iterator[str]:
    """A line about chunks that the teacher cannot read, if there are any."""
    if count:
        manifest, mongo = target.manifest, target.collection.mongo
        why = multilingual_hint(
            manifest.teacher.name,
            database=mongo.database.name,
            collection=mongo.name,
            in_place=manifest.layout == "in_place",
        )
        new = counted(encoded, "encoded chunk")
        yield f"{count:,} of {new} are mostly unknown to the teacher: {why}"


def _documents_gone(number: int) -> str:
    if number == 1:
        return "1 document that is gone from its source"
    return f"{number:,} documents that are gone from their source"


def _held(collection: Collection, *, in_place: bool) -> str:
    """Without a number where MongoDB does not answer: the run is over, and its summary is shown
    anyway."""
    one = "document" if in_place else "chunk"
    beside = ", with vectors in place" if in_place else ""
    if collection.retries.is_waiting:
        return f"{one}s{beside}"
    try:
        return f"{counted(collection.count(), one)}{beside}"
    except DeploymentError as error:
        if not is_transient(error):
            raise
        return f"{one}s{beside}"


def forecast_object(
    expected: Forecast, target: Target, column_types: Mapping[str, Any] | None = None
) -> str:
    name, types = target.collection.mongo.full_name, dict(column_types or {})
    return json.dumps({"collection": name, **asdict(expected), "column_types": types})


def forecast_text(expected: Forecast, target: Target) -> str:
    lines = [
        f"nothing was written; {target.collection.mongo.full_name} would get",
        f"  {counted(expected.documents, 'document')} in {counted(expected.chunks, 'chunk')}; "
        f"{counted(expected.rejected, 'record')} rejected",
        f"  {counted(expected.new_chunks, 'chunk')} to encode, of "
        f"{counted(expected.tokens, 'token')}; "
        f"{expected.updated:,} updated, {expected.removed:,} removed",
    ]
    unknown = _unknown(expected.unknown, expected.new_chunks, target)
    lines += [f"  {line}" for line in unknown]
    if expected.documents_pruned is not None:
        lines.append(f"  to prune: {_documents_gone(expected.documents_pruned)}")
    lines += [
        f"  {decimal(expected.bytes_stored)} to store for these chunks, as {expected.form}",
        f"  {decimal(expected.index_memory)} of memory for an index of all these chunks",
    ]
    if expected.seconds is not None:
        lines.append(
            f"  {_duration(expected.seconds)} to encode them, at "
            f"{expected.tokens_per_second:,.0f} tokens a second here"
        )
    lines += _forms(expected.forms)
    return "\n".join(lines)


def _forms(forms: Sequence[FormOutlook]) -> Iterator[str]:
    """A table of what other forms cost and keep."""
    if not forms:
        return
    width = max(len(each.form) for each in forms)
    yield "  what stored vectors cost and keep, estimated on the first chunks:"
    yield f"    {'form':{width}}  bytes a chunk  index memory  quality"
    for each in forms:
        chosen = "  <- this run" if each.is_chosen else ""
        yield (
            f"    {each.form:{width}}  {each.bytes:>13,}  {each.index_memory:>12,}  "
            f"{each.quality:>7.1%}{chosen}"
        )


def _short(number: float) -> str:
    """Whole up to 9,999, then in thousands or millions: 12.3k, 300k, 1.5M."""
    for size, sign in ((1e6, "M"), (1e3, "k")):
        if number >= max(size, 1e4):
            return f"{number / size:.{0 if number >= 100 * size else 1}f}{sign}"
    return f"{number:,.0f}"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "less than a second"
    if seconds < 120:
        return f"{seconds:,.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
