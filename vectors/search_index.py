"""A search index of a collection: create it, wait for it, know why it cannot be used.

It is checked before it is relied on, because the server answers a search on a missing or misspelt
index with an empty result and no error.
"""

import time
from collections.abc import Callable
from typing import Any

from pymongo.collection import Collection as MongoCollection
from pymongo.operations import SearchIndexModel

from vectors.connection import explained
from vectors.errors import IndexNotReady
from vectors.index import same_index
from vectors.index_spec import IndexSpec

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # seconds between two looks


class SearchIndex:
    def __init__(self, mongo: MongoCollection[Any], spec: IndexSpec) -> None:
        self._mongo = mongo
        self.spec = spec

    def ensure(self) -> None:
        """Create it, or update it to new filter paths; does not wait."""
        spec = self.spec
        with explained():
            found = spec.find(self._mongo.list_search_indexes())
            if found is None:
                model = SearchIndexModel(dict(spec.definition), spec.name, spec.type)
                self._mongo.create_search_index(model)
            elif not same_index(spec.definition, found.get("latestDefinition", {})):
                self._mongo.update_search_index(spec.name, dict(spec.definition))

    def wait(self, *, seconds: float, told: Callable[[str], None] = lambda status: None) -> None:
        """Until it is READY with the wanted definition; `told` hears each new status.

        Raises IndexFailed or IndexMissing at once, IndexNotReady after `seconds`.
        """
        deadline, pause, last = time.monotonic() + seconds, _FIRST_PAUSE, ""
        while True:
            try:
                return self.check(ready=True)
            except IndexNotReady as error:
                status = str(error)
            if status != last:
                told(status)
                last = status
            if time.monotonic() + pause > deadline:
                raise IndexNotReady(f"{status} (waited {seconds:.0f} s; see --wait)")
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def check(self, *, ready: bool = False) -> None:
        """See IndexSpec.judge."""
        with explained():
            self.spec.judge(self._mongo.list_search_indexes(), ready=ready)
