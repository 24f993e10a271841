"""What a vector index keeps of the documents, if that is chosen, so that hits come from it alone.

Of chunks it keeps what a hit shows, and a vector only where searches compute with it. Of documents
with vectors in place it keeps all but the other vectors and the mark.
"""

from collections.abc import Sequence
from typing import Any

from leafsearch.vectors.store.manifest import MARK, Manifest

_OF_CHUNKS = ("document", "position", "text", "metadata", "place")


def stored_source(manifest: Manifest) -> dict[str, Any] | bool | None:
    """As a definition has it; None if neither it nor its absence was chosen."""
    if not manifest.tuning.stored_source:
        return manifest.tuning.stored_source
    kept = _kept_vectors(manifest)
    if manifest.layout == "in_place":
        return {"exclude": [MARK, *(path for path in manifest.vector_paths if path not in kept)]}
    return {"include": [*_OF_CHUNKS, *kept]}


def is_in_stored_source(manifest: Manifest, fields: Sequence[str]) -> bool:
    """Whether the index keeps these fields of a chunk."""
    if not manifest.tuning.stored_source:
        return False
    return not {*fields} & {*manifest.vector_paths} - {*_kept_vectors(manifest)}


def _kept_vectors(manifest: Manifest) -> list[str]:
    """The vectors that searches compute with."""
    rescores = manifest.precision == "binary" or manifest.quantization == "scalar"
    return [manifest.exact_path] if rescores else []
