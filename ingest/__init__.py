"""read -> chunk -> encode -> compress -> write."""

from leafsearch.ingest.chunking.chunker import Chunker
from leafsearch.ingest.cli.index_options import Choices
from leafsearch.ingest.document import Document, Place, Rejected
from leafsearch.ingest.errors import IngestError, SourceError, TargetError
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.pipeline.run import ingest
from leafsearch.ingest.pipeline.stats import Summary
from leafsearch.ingest.sources.files.corpus import Corpus
from leafsearch.ingest.sources.files.records import Fields
from leafsearch.ingest.target.open import open_target
from leafsearch.ingest.target.target import Target

__all__ = [
    "Choices",
    "Chunker",
    "Corpus",
    "Document",
    "Fields",
    "IngestError",
    "Place",
    "Rejected",
    "Rejects",
    "SourceError",
    "Summary",
    "Target",
    "TargetError",
    "ingest",
    "open_target",
]
