"""read -> chunk -> encode -> compress -> write."""

from ingest.choices import Choices
from ingest.chunking.chunker import Chunker
from ingest.corpus.records import Fields
from ingest.corpus.sources import Corpus
from ingest.document import Document, Place, Rejected
from ingest.errors import IngestError, SourceError, TargetError
from ingest.opening import open_target
from ingest.pipeline import ingest
from ingest.rejects import Rejects
from ingest.summary import Summary
from ingest.target import Target

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
