"""The third stage: new chunks to vectors, in batches that are passed on as they are done."""

from collections.abc import Iterator, Sequence

from ingest.channel import Channel
from ingest.chunking.chunk import Chunk
from ingest.plan import Plan
from ingest.summary import Tally
from ingest.target import Target
from ingest.writing import Encoded
from vectors import Rows

_WINDOW = 2048  # chunks that are sorted by length, so that those of a batch are alike
_CALIBRATED_ON = 512  # first chunks of a corpus, whose largest value is the scale of int8

Planned = tuple[Plan, Chunk]


def encoded(plans: Channel[Sequence[Plan]], target: Target, tally: Tally) -> Iterator[Encoded]:
    """In windows of what is planned: the encoder waits for no more when it has something to do."""
    waiting = _Waiting(plans)
    if target.needs_calibration and (first := waiting.take(_CALIBRATED_ON, patient=True)):
        # At once and in the order of the corpus, so that the scale is the same in every run.
        yield _part(first, target.teacher.encode_documents(_texts(first)), tally)
    while window := waiting.take(_WINDOW):
        for places, rows in target.teacher.document_batches(_texts(window)):
            yield _part([window[place] for place in places], rows, tally)


class _Waiting:
    """Chunks that are to be encoded, in the order of the corpus."""

    def __init__(self, plans: Channel[Sequence[Plan]]) -> None:
        self._plans = plans
        self._chunks: list[Planned] = []

    def take(self, most: int, *, patient: bool = False) -> list[Planned]:
        """So many, if they are there, else fewer; `patient` until they are. None at the end."""
        while len(self._chunks) < most:
            is_needed = patient or not self._chunks
            more = self._plans.get() if is_needed else self._plans.at_hand()
            if more is None:
                break
            self._chunks += [(plan, chunk) for plan in more for chunk in plan.new]
        taken, self._chunks = self._chunks[:most], self._chunks[most:]
        return taken


def _texts(chunks: Sequence[Planned]) -> list[str]:
    return [chunk.encoded_text for _, chunk in chunks]


def _part(chunks: Sequence[Planned], rows: Rows, tally: Tally) -> Encoded:
    tally.add(tokens=sum(chunk.tokens for _, chunk in chunks))
    return Encoded([plan for plan, _ in chunks], [chunk for _, chunk in chunks], rows)
