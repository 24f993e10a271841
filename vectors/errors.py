"""What can go wrong between text and a vector index.

LeafError
└── VectorsError
    ├── ModelError         a model cannot be found, fetched or loaded
    │   └── ExportError    a model cannot be brought to ONNX Runtime as it is
    ├── AlignmentError     student and teacher do not share a space
    ├── CodecError         vectors that cannot be stored as asked
    ├── ManifestError      missing, unreadable, or contradicting what was asked
    ├── DeploymentError    MongoDB cannot be reached, refuses us, or lacks search
    └── SearchIndexError   the vector index cannot be used
        ├── IndexMissing   not there, or under another name
        ├── IndexNotReady  building, pending, or not ready within the time given
        ├── IndexFailed    the server gave up building it
        └── IndexDiffers   it is not what the manifest says
"""

from leafsearch.config import LeafError


class VectorsError(LeafError):
    """Base of this package's errors."""


class ModelError(VectorsError):
    """A model cannot be found, fetched or loaded."""


class ExportError(ModelError):
    """A model cannot be brought to ONNX Runtime as it is."""


class AlignmentError(VectorsError):
    """Student and teacher do not share a space."""


class CodecError(VectorsError):
    """Vectors that cannot be stored as asked; `row` tells which, if it is one of them."""

    def __init__(self, message: str, *, row: int | None = None) -> None:
        self.row = row
        super().__init__(message)


class ManifestError(VectorsError):
    """The manifest is missing, unreadable, or contradicts what was asked."""


class DeploymentError(VectorsError):
    """MongoDB cannot be reached, refuses us, or lacks search."""


class SearchIndexError(VectorsError):
    """The vector index cannot be used."""


class IndexMissing(SearchIndexError):
    """No index of that name on the collection."""


class IndexNotReady(SearchIndexError):
    """The index is building or pending."""


class IndexFailed(SearchIndexError):
    """The server gave up building the index."""


class IndexDiffers(SearchIndexError):
    """The index is not what the manifest says."""
