"""What a run would do, told without writing anything."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import bson
from bson.binary import VECTOR_SUBTYPE, Binary

from config.storage import index_bytes
from ingest.chunk import Chunk
from ingest.plan import Plan
from ingest.planning import plans
from ingest.reading import Reading
from ingest.target import Target

_SAMPLE = 256  # chunks that are encoded to learn the teacher's speed
_SAMPLE_SECONDS = 10.0
_AT_ONCE = 32  # of these


@dataclass
class Forecast:
    """`tokens`, and `seconds`, which a run would take, are of the chunks that are not stored yet.

    `bytes_stored` is what MongoDB is given for these, before it compresses it; `index_memory` of
    all chunks of the corpus, in bytes. `documents_pruned` is None unless --prune was asked for.
    """

    documents: int = 0
    chunks: int = 0
    new_chunks: int = 0
    updated: int = 0
    tokens: int = 0
    rejected: int = 0
    bytes_stored: int = 0
    index_memory: int = 0
    tokens_per_second: float | None = None
    seconds: float | None = None
    documents_pruned: int | None = None


def forecast(reading: Reading, target: Target) -> Forecast:
    """Raises what a run would raise while reading, encoding its first batch included."""
    told, vector = Forecast(), Binary(bytes(target.manifest.codec.size), VECTOR_SUBTYPE)
    sample: list[Chunk] = []
    for plan in chain.from_iterable(plans(reading.windows(), target, reading.tally)):
        told.documents += 1
        told.chunks += plan.chunks
        told.new_chunks += len(plan.new)
        told.updated += plan.updated
        told.bytes_stored += sum(_bytes(plan, chunk, target, vector) for chunk in plan.new)
        told.tokens += sum(chunk.tokens for chunk in plan.new)
        sample += plan.new[: _SAMPLE - len(sample)]
    told.documents += reading.tally.summary.documents
    told.chunks += reading.tally.summary.chunks
    told.rejected = reading.tally.summary.rejected
    told.index_memory = round(told.chunks * _index_bytes(target))
    if sample:
        told.tokens_per_second = _speed(sample, target)
        told.seconds = round(told.tokens / told.tokens_per_second, 1)
    return told


def _bytes(plan: Plan, chunk: Chunk, target: Target, vector: Binary) -> int:
    manifest = target.manifest
    return len(bson.encode({**plan.fields(chunk, manifest), manifest.path: vector}))


def _index_bytes(target: Target) -> float:
    manifest = target.manifest
    return index_bytes(manifest.precision, manifest.quantization, manifest.dimensions)


def _speed(sample: Sequence[Chunk], target: Target) -> float:
    """Tokens a second; the first texts only warm the model up."""
    parts = list(_parts(sample))
    target.teacher.encode_documents([chunk.encoded_text for chunk in parts[0]])
    tokens, started = 0, time.monotonic()
    for part in parts:
        target.teacher.encode_documents([chunk.encoded_text for chunk in part])
        tokens += sum(chunk.tokens for chunk in part)
        if time.monotonic() - started > _SAMPLE_SECONDS:
            break
    return round(tokens / (time.monotonic() - started), 1)


def _parts(sample: Sequence[Chunk]) -> Iterator[Sequence[Chunk]]:
    for start in range(0, len(sample), _AT_ONCE):
        yield sample[start : start + _AT_ONCE]
