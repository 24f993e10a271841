"""What the driver of a pipeline on Ray hears of its stages."""

from collections.abc import Iterator
from typing import Any

from leafsearch.config import LeafError
from leafsearch.config.text import quote
from leafsearch.ingest.document import Document, Place, Rejected
from leafsearch.ingest.on_ray.job import Job
from leafsearch.ingest.on_ray.stages import Claimed, Met
from leafsearch.ingest.pipeline.claims import Claims
from leafsearch.ingest.pipeline.seen_ids import Seen
from leafsearch.ingest.pipeline.stats import Summary


def taken(item: Any, summary: Summary, seen: Seen, claims: Claims, job: Job) -> Iterator[Rejected]:
    """What an item adds to the summary or the claims, and what is to be rejected."""
    if isinstance(item, LeafError):
        raise item
    if isinstance(item, Rejected):
        yield item
    elif isinstance(item, Met):
        yield from _twice(item, seen, job)
    elif isinstance(item, Claimed):
        claims.add(item.documents, item.versions, item.chunks)
    else:
        summary.add(item)


def _twice(met: Met, seen: Seen, job: Job) -> Iterator[Rejected]:
    place = Place(job.source)
    for document, first in seen.judged([Document(id, "", place=place) for id in met.ids]):
        if first is not None:
            yield Rejected(
                place,
                f"id {quote(document.id)} stands more than once in this run; which of its "
                "documents is stored is left to chance: make ids unique and run it again",
            )
