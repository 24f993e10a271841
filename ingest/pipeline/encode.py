"""The third stage: encode new chunks in batches, and pass each batch on when it is done."""

import time
from collections.abc import Iterator, Sequence

from leafsearch.ingest.chunking.chunk import Chunk
from leafsearch.ingest.pipeline.plan import Plan
from leafsearch.ingest.pipeline.queue import Channel
from leafsearch.ingest.pipeline.stats import Tally
from leafsearch.ingest.pipeline.write import Encoded
from leafsearch.ingest.target.target import Target
from leafsearch.vectors import Rows

_WINDOW = 2048  # chunks sorted by length, so that a batch holds chunks of similar length
_IDLE = 10.0  # seconds that the encoder waits for a slow source before it takes a smaller window

Planned = tuple[Plan, Chunk]


def encode(plans: Channel[Sequence[Plan]], target: Target, tally: Tally) -> Iterator[Encoded]:
    """Encode windows of chunks in the order of the corpus, whichever stage is the slowest.

    The last bits of a vector depend on the texts that are computed with it, so windows do not
    depend on time, unless the source is slower than the encoder.
    """
    waiting = _Waiting(plans)
    if (most := target.calibrated_on) and (first := waiting.take(most, seconds=None)):
        # In one batch and in the order of the corpus, so that every run decides alike.
        yield _part(first, target.teacher.encode_documents(_texts(first)), tally)
    while window := waiting.take(_WINDOW, seconds=_IDLE):
        for places, rows in target.teacher.document_batches(_texts(window)):
            yield _part([window[place] for place in places], rows, tally)


class _Waiting:
    """Chunks that wait for the encoder, in the order of the corpus."""

    def __init__(self, plans: Channel[Sequence[Plan]]) -> None:
        self._plans = plans
        self._chunks: list[Planned] = []

    def take(self, most: int, *, seconds: float | None) -> list[Planned]:
        """Take `most` chunks; fewer at the end, or if no more arrive within `seconds`; none
        after the end.

        It waits for the first chunk without limit.
        """
        deadline = None
        while len(self._chunks) < most:
            if self._chunks and deadline is None and seconds is not None:
                deadline = time.monotonic() + seconds
            more = self._plans.get(deadline)
            if more is None:
                break
            self._chunks += [(plan, chunk) for plan in more for chunk in plan.new]
        taken, self._chunks = self._chunks[:most], self._chunks[most:]
        return taken


def _texts(chunks: Sequence[Planned]) -> list[str]:
    return [chunk.encoded_text for _, chunk in chunks]


def _part(chunks: Sequence[Planned], rows: Rows, tally: Tally) -> Encoded:
    tally.add(
        tokens=sum(chunk.tokens for _, chunk in chunks),
        unknown=sum(chunk.is_unknown for _, chunk in chunks),
    )
    return Encoded([plan for plan, _ in chunks], [chunk for _, chunk in chunks], rows)
