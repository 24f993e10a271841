"""What ingest and search must agree on: encoders, stored vectors, manifest, collection.

The door of the package; `vectors.encoders` and `vectors.store` are the doors of its rooms.
"""

from leafsearch.vectors.encoders.alignment import Alignment, check_alignment
from leafsearch.vectors.encoders.base import Encoder, Rows, Teacher
from leafsearch.vectors.encoders.load import load_encoder, load_tokenizer
from leafsearch.vectors.encoders.onnx.student import export_student, load_student
from leafsearch.vectors.errors import (
    AlignmentError,
    CodecError,
    DeploymentError,
    ExportError,
    IndexDiffers,
    IndexFailed,
    IndexLimit,
    IndexMissing,
    IndexNotReady,
    IndexSkips,
    ManifestError,
    ModelError,
    SearchIndexError,
    VectorsError,
)
from leafsearch.vectors.field_path import join_texts, take_values
from leafsearch.vectors.forms.codec import Codec
from leafsearch.vectors.store.chunk import StoredChunk
from leafsearch.vectors.store.collection import Collection
from leafsearch.vectors.store.connection import (
    connect,
    connect_async,
    explain_errors,
    list_collection_types,
)
from leafsearch.vectors.store.in_place import InPlace, collection_of
from leafsearch.vectors.store.manifest import Manifest, ModelRecord

__all__ = [
    "Alignment",
    "AlignmentError",
    "Codec",
    "CodecError",
    "Collection",
    "DeploymentError",
    "Encoder",
    "ExportError",
    "InPlace",
    "IndexDiffers",
    "IndexFailed",
    "IndexLimit",
    "IndexMissing",
    "IndexNotReady",
    "IndexSkips",
    "Manifest",
    "ManifestError",
    "ModelError",
    "ModelRecord",
    "Rows",
    "SearchIndexError",
    "StoredChunk",
    "Teacher",
    "VectorsError",
    "check_alignment",
    "collection_of",
    "connect",
    "connect_async",
    "explain_errors",
    "export_student",
    "join_texts",
    "list_collection_types",
    "load_encoder",
    "load_student",
    "load_tokenizer",
    "take_values",
]
