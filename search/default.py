"""`search()`: the one-liner, on the settings of the process."""

import atexit
from collections.abc import Mapping
from threading import Lock
from typing import Any

from config import Settings
from config.command import settings
from local.fallback import fallback_uri
from search.hit import Hit
from search.searcher import Searcher

_open: dict[Settings, Searcher] = {}
_opening = Lock()


def search(
    question: str,
    *,
    k: int = 10,
    filter: Mapping[str, Any] | None = None,
    exact: bool = False,
    num_candidates: int | None = None,
) -> list[Hit]:
    """The `k` passages nearest to `question`, best first; see Searcher.search.

    MONGODB_URI and the LEAF_ settings come from the environment and `.env`; without MONGODB_URI
    the local deployment is used, and started if need be. The connection and the student are
    opened once per process and kept.
    """
    searcher = _kept(settings())
    return searcher.search(question, k=k, filter=filter, exact=exact, num_candidates=num_candidates)


def _kept(chosen: Settings) -> Searcher:
    with _opening:
        if chosen not in _open:
            uri = chosen.uri or fallback_uri(chosen.home)
            _open[chosen] = Searcher.open(uri, chosen)
            atexit.register(_open[chosen].close)
        return _open[chosen]
