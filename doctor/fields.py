"""Where in documents vectors may be."""

from collections.abc import Mapping, Sequence
from typing import Any

from leafsearch.doctor.stored_vectors import Stored, read
from leafsearch.search.values import paths_of


def vector_paths(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where in these documents vectors may be, for a user who has misspelt the path."""
    found = {
        path
        for document in documents
        for path, value in paths_of(document)
        if isinstance(vector := read(value), Stored) and vector.dimensions > 1
    }
    return sorted(found)
