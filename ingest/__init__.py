"""read -> chunk -> encode -> compress -> write."""

from leafsearch.ingest.choices import Choices
from leafsearch.ingest.chunking.chunker import Chunker
from leafsearch.ingest.corpus.records import Fields
from leafsearch.ingest.corpus.sources import Corpus
from leafsearch.ingest.document import Document, Place, Rejected
from leafsearch.ingest.errors import IngestError, SourceError, TargetError
from leafsearch.ingest.opening import open_target
from leafsearch.ingest.pipeline import ingest
from leafsearch.ingest.rejects import Rejects
from leafsearch.ingest.summary import Summary
from leafsearch.ingest.target import Target

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
