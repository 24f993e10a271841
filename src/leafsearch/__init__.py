"""Asymmetric vector search over MongoDB.

A large model encodes documents once, a small one encodes queries in milliseconds. See
`leafsearch.search.search` and `leafsearch.ingest.ingest`; the names below are loaded when they are
first used, so that the import itself takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leafsearch.config import Settings
    from leafsearch.search import AsyncSearcher, Searcher

    __version__: str

__all__ = ["AsyncSearcher", "Searcher", "Settings", "__version__"]

_PACKAGES = {
    "AsyncSearcher": "leafsearch.search",
    "Searcher": "leafsearch.search",
    "Settings": "leafsearch.config",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # most of the time that an import would take

        return version("leafsearch")
    if name not in _PACKAGES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PACKAGES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
