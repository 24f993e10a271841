"""What every kind of run works with, beside the corpus that it reads."""

from dataclasses import dataclass, field

from leafsearch.ingest.cli.report import Display
from leafsearch.ingest.cli.request import IngestRequest
from leafsearch.ingest.pipeline.extent import Extent, Seen
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.pipeline.remarks import Remarks
from leafsearch.ingest.target.target import Target


@dataclass(frozen=True)
class RunContext:
    """`seen` holds the ids of all documents of the corpus once the run has read it."""

    order: IngestRequest
    target: Target
    rejects: Rejects
    display: Display
    seen: Seen
    remarks: Remarks = field(default_factory=Remarks)

    @property
    def extent(self) -> Extent:
        return self.order.extent(self.seen)

    def is_empty_shard(self) -> bool:
        """Whether other shards have documents, so that this one may have none."""
        return self.order.shard.count > 1 and bool(self.seen.sources)
