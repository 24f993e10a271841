"""What ingest and search must agree on: encoders, stored vectors, the manifest, the collection."""

from leafsearch.vectors.alignment import Alignment, check_alignment
from leafsearch.vectors.codec import Codec
from leafsearch.vectors.collection import Collection, Stored
from leafsearch.vectors.connection import collection_kinds, connect, connect_async, explained
from leafsearch.vectors.encoder import Encoder, Rows, Teacher, load_encoder, load_tokenizer
from leafsearch.vectors.errors import (
    AlignmentError,
    CodecError,
    DeploymentError,
    ExportError,
    IndexDiffers,
    IndexFailed,
    IndexMissing,
    IndexNotReady,
    ManifestError,
    ModelError,
    SearchIndexError,
    VectorsError,
)
from leafsearch.vectors.in_place import InPlace
from leafsearch.vectors.layouts import collection_of
from leafsearch.vectors.manifest import Manifest, Model
from leafsearch.vectors.student import export_student, load_student

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
    "IndexMissing",
    "IndexNotReady",
    "Manifest",
    "ManifestError",
    "Model",
    "ModelError",
    "Rows",
    "SearchIndexError",
    "Stored",
    "Teacher",
    "VectorsError",
    "check_alignment",
    "collection_kinds",
    "collection_of",
    "connect",
    "connect_async",
    "explained",
    "export_student",
    "load_encoder",
    "load_student",
    "load_tokenizer",
]
