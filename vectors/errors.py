"""The errors of this package, between text and vector index.

LeafError
└── VectorsError
    ├── ModelError         a model cannot be found, fetched or loaded
    │   └── ExportError    a model cannot be exported to ONNX Runtime
    ├── AlignmentError     student and teacher do not share a space
    ├── CodecError         vectors cannot be stored as requested
    ├── ManifestError      missing, unreadable, or in conflict with the request
    ├── DeploymentError    MongoDB cannot be reached, refuses us, or lacks search
    └── SearchIndexError   the vector index cannot be used
        ├── IndexMissing   the collection has no index of this name
        ├── IndexNotReady  building, pending, or not ready in time
        ├── IndexFailed    the server gave up building it
        ├── IndexDiffers   its definition differs from the manifest
        ├── IndexSkips     the server leaves vectors of this form out, without an error
        └── IndexLimit     the server allows no more search indexes
"""

from leafsearch.config import LeafError


class VectorsError(LeafError):
    """Base of this package's errors."""


class ModelError(VectorsError):
    """A model cannot be found, fetched or loaded."""


class ExportError(ModelError):
    """A model cannot be exported to ONNX Runtime."""


class AlignmentError(VectorsError):
    """Student and teacher do not share a space."""


class CodecError(VectorsError):
    """Vectors cannot be stored as requested; `row` is the index of the bad one, if known."""

    def __init__(self, message: str, *, row: int | None = None) -> None:
        self.row = row
        super().__init__(message)


class ManifestError(VectorsError):
    """The manifest is missing, unreadable, or in conflict with the request."""


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
    """The definition of the index differs from the manifest."""


class IndexSkips(SearchIndexError):
    """The server leaves vectors of this form out of the index, without an error."""


class IndexLimit(SearchIndexError):
    """The server allows no more search indexes."""
