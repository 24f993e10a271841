"""`search()`: the one-liner, on the settings of the process."""

import atexit
import os
from threading import Lock
from typing import Unpack

from leafsearch.config import Settings
from leafsearch.config.command import settings
from leafsearch.search.hit import Hit
from leafsearch.search.query import Options
from leafsearch.search.searcher import Searcher
from leafsearch.vectors import ManifestError
from leafsearch.vectors.store.deployment import deployment_uri

# By process too: a connection does not survive a fork.
_open: dict[tuple[int, Settings], Searcher] = {}
_opening = Lock()


def search(
    question: str,
    *,
    collection: str | None = None,
    database: str | None = None,
    **options: Unpack[Options],
) -> list[Hit]:
    """The `k` passages nearest to `question`, best first; see Searcher.search.

    `collection` and `database` beat LEAF_COLLECTION and LEAF_DATABASE. MONGODB_URI and the LEAF_
    settings come from the environment and `.env`; without MONGODB_URI the local deployment is
    used, and started if need be. The connection and the student are opened once per process and
    collection, and kept until the collection is made with other models.
    """
    searcher = _kept(settings(collection=collection, database=database))
    try:
        return searcher.search(question, **options)
    except ManifestError:
        searcher.reopen()
        return searcher.search(question, **options)


def _kept(chosen: Settings) -> Searcher:
    with _opening:
        key = (os.getpid(), chosen)
        if key not in _open:
            uri = deployment_uri(chosen, lambda line: None)
            _open[key] = Searcher.open(uri, chosen)
            atexit.register(_open[key].close)
        return _open[key]
