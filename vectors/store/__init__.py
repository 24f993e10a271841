"""What is stored and where: the door of the store.

Importing it costs pymongo and numpy, but neither torch nor ONNX Runtime.
"""

from leafsearch.vectors.encoders.base import RETRY_SECONDS
from leafsearch.vectors.store.bson_text import (
    NotExtendedJson,
    decode_extended,
    id_to_text,
    ids_from_text,
    is_encodable_id,
    parse_extended_json,
)
from leafsearch.vectors.store.chunk import StoredChunk, digest, encoded_digest
from leafsearch.vectors.store.codec import UNIT_TOLERANCE, Codec
from leafsearch.vectors.store.collection import BY_DOCUMENT, BY_GENERATION, Collection
from leafsearch.vectors.store.connection import (
    FORBIDDEN_CODES,
    connect,
    connect_async,
    explain_errors,
    list_collection_types,
    open_client,
)
from leafsearch.vectors.store.deployment import deployment_uri
from leafsearch.vectors.store.generations import (
    Generations,
    begin_next,
    find_generations,
    forget_others,
    parse_generations,
    read_generation,
    read_generations,
    switch_generation,
)
from leafsearch.vectors.store.in_place import (
    HAS_MARK,
    MARK,
    MARK_HASH,
    InPlace,
    collection_of,
    is_own_change,
)
from leafsearch.vectors.store.manifest import (
    MANIFESTS,
    STORED_FORM,
    VECTOR_PATH,
    Manifest,
    ModelRecord,
    amend_manifest,
    delete_manifest,
    find_manifest,
    missing_manifest,
    read_manifest,
    remove_filters,
    replace_manifest,
    require_agreement,
    require_equal,
    require_fields,
    require_precision,
    write_manifest,
)
from leafsearch.vectors.store.pipelines import (
    is_same_index,
    nearest_stage,
    projection,
    text_index_name,
    uppermost_paths,
)
from leafsearch.vectors.store.retry import (
    RetryBudget,
    is_transient,
    is_unanswered,
)
from leafsearch.vectors.store.search_index import IndexSpec, SearchIndex, require_search
from leafsearch.vectors.store.transform import (
    TRANSFORMS,
    Transform,
    accept_parts,
    fit_transform,
    parts_pipeline,
)
from leafsearch.vectors.store.transform_choice import (
    CHOICES,
    TransformChoice,
    choose_transform,
    measure_kept,
)
from leafsearch.vectors.store.writers import ActiveRuns, Registration, register_run

__all__ = [
    "BY_DOCUMENT",
    "BY_GENERATION",
    "CHOICES",
    "FORBIDDEN_CODES",
    "HAS_MARK",
    "MANIFESTS",
    "MARK",
    "MARK_HASH",
    "RETRY_SECONDS",
    "STORED_FORM",
    "TRANSFORMS",
    "UNIT_TOLERANCE",
    "VECTOR_PATH",
    "ActiveRuns",
    "Codec",
    "Collection",
    "Generations",
    "InPlace",
    "IndexSpec",
    "Manifest",
    "ModelRecord",
    "NotExtendedJson",
    "Registration",
    "RetryBudget",
    "SearchIndex",
    "StoredChunk",
    "Transform",
    "TransformChoice",
    "accept_parts",
    "amend_manifest",
    "begin_next",
    "choose_transform",
    "collection_of",
    "connect",
    "connect_async",
    "decode_extended",
    "delete_manifest",
    "deployment_uri",
    "digest",
    "encoded_digest",
    "explain_errors",
    "find_generations",
    "find_manifest",
    "fit_transform",
    "forget_others",
    "id_to_text",
    "ids_from_text",
    "is_encodable_id",
    "is_own_change",
    "is_same_index",
    "is_transient",
    "is_unanswered",
    "list_collection_types",
    "measure_kept",
    "missing_manifest",
    "nearest_stage",
    "open_client",
    "parse_extended_json",
    "parse_generations",
    "parts_pipeline",
    "projection",
    "read_generation",
    "read_generations",
    "read_manifest",
    "register_run",
    "remove_filters",
    "replace_manifest",
    "require_agreement",
    "require_equal",
    "require_fields",
    "require_precision",
    "require_search",
    "switch_generation",
    "text_index_name",
    "uppermost_paths",
    "write_manifest",
]
