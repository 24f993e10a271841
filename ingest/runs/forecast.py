"""What can be known of a run before it writes: are its first records usable, what would it do?

`peek` looks before a model is loaded, so that a wrong text field is reported at once. It looks only
where that costs a moment: at the first lines of a file of records, or the first documents of a
MongoDB collection. It ends at the first usable record. `forecast` reads and compares everything.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from bson.binary import VECTOR_SUBTYPE, Binary

from leafsearch.config.storage import Storage, index_bytes
from leafsearch.ingest.chunking.chunk import Chunk
from leafsearch.ingest.cli.console import say
from leafsearch.ingest.cli.request import IngestRequest
from leafsearch.ingest.document import Document, Rejected
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.pipeline.plan import Plan, plan_windows
from leafsearch.ingest.pipeline.read import Reader
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.sources.files.corpus import Corpus
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.ingest.target.target import Target
from leafsearch.vectors.store import Form

_LOOKED_AT = 100
_CHEAP = ("jsonl", "json")  # other tables lack a column as a whole, and opening them reports that
_SAMPLE = 256  # chunks that are encoded to measure the teacher's speed
_COMPARED = 512  # chunks that are encoded to estimate what forms of a vector keep
_WARMING, _MEASURING = 2.0, 10.0  # seconds


def peek(corpus: Corpus | MongoSource, order: IngestRequest, rejects: Rejects) -> None:
    """Raises SourceError if all records are unusable; warns if the first ones are."""
    try:
        refused = _refused(_first_records(corpus, order))
    except SourceError:
        return  # the run raises it, after what is read before it
    if not refused:
        return
    if _are_all(refused, order):
        rejects.begin()
        for each in refused:
            rejects.add(each)
        rejects.require_not_all()
    trial = Rejects(rejects.path)
    for each in refused:
        trial.sort(each)
    say(f"the first {len(refused)} records are all unusable: {'; '.join(trial.reasons())}")


def _are_all(refused: Sequence[Rejected], order: IngestRequest) -> bool:
    """Whether these are all the records, and no option has its own message about them."""
    is_plain = order.max_rejects is None and not order.prune and order.shard.count == 1
    return is_plain and len(refused) < _LOOKED_AT and len(order.paths) == 1


def _first_records(
    corpus: Corpus | MongoSource, order: IngestRequest
) -> Iterable[Document | Rejected]:
    if isinstance(corpus, MongoSource):
        # In place, the manifest may name another text field.
        return () if order.mongodb.in_place else corpus.first(_LOOKED_AT)
    first = order.paths[0]
    if not Path(first).is_file() or corpus.format_of(Path(first)) not in _CHEAP:
        return ()
    return Corpus([first], order.fields, order.format, order.rejects).records()


def _refused(records: Iterable[Document | Rejected]) -> Sequence[Rejected]:
    """The first records, if all of them are unusable."""
    refused = []
    for record in islice(records, _LOOKED_AT):
        if isinstance(record, Document):
            return []
        refused.append(record)
    return refused


@dataclass(frozen=True)
class FormOutlook:
    """What a form of a new collection's vectors costs, in bytes a chunk, and keeps, as an estimated
    share of the quality of whole vectors."""

    form: str
    bytes: int
    index_memory: int
    quality: float
    is_chosen: bool


@dataclass
class Forecast:
    """What a run would do.

    `tokens`, and the `seconds` that a run would take, count chunks that are not stored yet.
    `bytes_stored` is the size of these chunks before MongoDB compresses them; `index_memory` is
    that of an index of all chunks of the corpus, in bytes. `unknown`, `updated` and `removed` are
    as in Summary, except for chunks of documents that are pruned; `documents_pruned` is None
    without --prune.
    """

    documents: int = 0
    chunks: int = 0
    new_chunks: int = 0
    updated: int = 0
    removed: int = 0
    tokens: int = 0
    unknown: int = 0
    rejected: int = 0
    bytes_stored: int = 0
    index_memory: int = 0
    form: str = ""
    forms: Sequence[FormOutlook] = ()
    tokens_per_second: float | None = None
    seconds: float | None = None
    documents_pruned: int | None = None


@dataclass
class _Counted:
    """Counts plans, and keeps the first new chunks to measure the teacher's speed."""

    target: Target
    forecast: Forecast
    sample: list[Chunk] = field(default_factory=list)

    def add(self, plan: Plan) -> None:
        self.forecast.new_chunks += len(plan.new)
        self.forecast.updated += plan.updated
        self.forecast.removed += len(plan.gone)
        self.forecast.bytes_stored += sum(self._bytes(plan, chunk) for chunk in plan.new)
        self.forecast.tokens += sum(chunk.tokens for chunk in plan.new)
        self.forecast.unknown += sum(chunk.is_unknown for chunk in plan.new)
        self.sample += plan.new[: max(_SAMPLE, _COMPARED) - len(self.sample)]

    def _bytes(self, plan: Plan, chunk: Chunk) -> int:
        manifest = self.target.manifest
        codecs = dict.fromkeys((manifest.codec, manifest.codec.exact))
        empty = [Binary(bytes(codec.size), VECTOR_SUBTYPE) for codec in codecs]
        vectors = dict(zip(manifest.vector_paths, empty, strict=True))
        return self.target.collection.size_of(plan.fields(chunk, manifest), vectors)


def forecast(reading: Reader, target: Target) -> Forecast:
    """Raises what a run would raise while reading, or encoding its first chunks."""
    expected, tally = Forecast(), reading.tally
    counted = _Counted(target, expected)
    for planned in plan_windows(reading.windows(), target, tally):
        for plan in planned:
            counted.add(plan)
        tally.add(documents=len(planned), chunks=sum(plan.chunks for plan in planned))
    expected.documents, expected.chunks = tally.summary.documents, tally.summary.chunks
    expected.rejected = tally.summary.rejected
    form = target.form
    if target.is_new and counted.sample:
        form = _compare_forms(expected, counted.sample[:_COMPARED], target)
    expected.form = str(form)
    expected.bytes_stored += expected.new_chunks * (form.bytes - target.form.bytes)
    expected.index_memory = round(expected.chunks * _index_bytes(form, target))
    if expected.tokens and (speed := _speed(counted.sample[:_SAMPLE], target)):
        expected.tokens_per_second = round(speed, 1)
        expected.seconds = round(expected.tokens / speed, 1)
    return expected


def _compare_forms(expected: Forecast, sample: Sequence[Chunk], target: Target) -> Form:
    """Fill in the forms; returns the one that a run would choose, were these its first chunks."""
    rows = target.teacher.encode_documents([chunk.encoded_text for chunk in sample])
    chosen, estimates = target.compare_forms(rows, [chunk.text for chunk in sample])
    expected.forms = [
        FormOutlook(
            str(e.form),
            e.form.bytes,
            round(_index_bytes(e.form, target)),
            round(e.quality, 4),
            e.form == chosen,
        )
        for e in estimates
    ]
    return chosen


def _index_bytes(form: Form, target: Target) -> float:
    manifest = target.manifest
    storage = Storage(precision=form.precision, quantization=manifest.quantization)
    return index_bytes(
        form.precision,
        manifest.quantization if storage.is_quantizable else "none",
        form.dimensions,
        is_flat=manifest.tuning.is_flat,
    )


def _speed(sample: Sequence[Chunk], target: Target) -> float:
    """Tokens a second; a first measurement only warms the model up."""
    _measured(sample, target, _WARMING)
    return _measured(sample, target, _MEASURING)


def _measured(sample: Sequence[Chunk], target: Target, most: float) -> float:
    """Encode as a run does, for at most `most` seconds and one batch."""
    tokens, started = 0, time.monotonic()
    for places, _ in target.teacher.document_batches([chunk.encoded_text for chunk in sample]):
        tokens += sum(sample[place].tokens for place in places)
        if time.monotonic() - started > most:
            break
    return tokens / (time.monotonic() - started)
