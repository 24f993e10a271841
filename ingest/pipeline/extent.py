"""How much of a corpus a run is about."""

from dataclasses import dataclass

from leafsearch.ingest.pipeline.seen_ids import Seen
from leafsearch.ingest.pipeline.shard import WHOLE, Shard


@dataclass(frozen=True)
class Extent:
    """More than `most_rejects` end it; None for any number. `seen`, if given, knows the ids of
    all its documents afterwards, this shard's alone."""

    seen: Seen | None = None
    shard: Shard = WHOLE
    most_rejects: int | None = None


ALL = Extent()
