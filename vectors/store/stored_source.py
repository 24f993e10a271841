"""What a vector index keeps of the documents, if that is chosen, so that hits come from it alone.

Of chunks it keeps what a hit shows, and the vector only where searches compute with it: few bytes
for bits. Of documents with vectors in place it keeps all but the vector and the mark.
"""

from collections.abc import Sequence
from typing import Any

from leafsearch.vectors.store.manifest import MARK, Manifest

_OF_CHUNKS = ("document", "position", "text", "metadata", "place")


def stored_source(manifest: Manifest) -> dict[str, Any] | bool | None:
    """As a definition has it; None if neither it nor its absence was chosen."""
    if not manifest.tuning.stored_source:
        return manifest.tuning.stored_source
    if manifest.layout == "in_place":
        return {"exclude": [MARK, *([] if _keeps_vector(manifest) else [manifest.path])]}
    return {"include": [*_OF_CHUNKS, *([manifest.path] if _keeps_vector(manifest) else [])]}


def is_in_stored_source(manifest: Manifest, fields: Sequence[str]) -> bool:
    """Whether the index keeps these fields of a chunk."""
    if not manifest.tuning.stored_source:
        return False
    return manifest.path not in fields or _keeps_vector(manifest)


def _keeps_vector(manifest: Manifest) -> bool:
    return manifest.precision == "binary" or manifest.quantization == "scalar"
