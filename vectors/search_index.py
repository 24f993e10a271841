"""The search index of a collection: create it, wait for it, know why it cannot be used.

It is checked before it is relied on, because the server answers a search on a missing or misspelt
index with an empty result and no error.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from pymongo.collection import Collection as MongoCollection
from pymongo.operations import SearchIndexModel

from vectors.connection import explained
from vectors.errors import IndexFailed, IndexMissing, IndexNotReady, SearchIndexError
from vectors.index import index_definition, same_index
from vectors.manifest import Manifest

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # seconds between two looks


class SearchIndex:
    def __init__(self, mongo: MongoCollection[Any], manifest: Manifest) -> None:
        self._mongo = mongo
        self.name = manifest.index
        self.definition = index_definition(
            path=manifest.path,
            dimensions=manifest.dimensions,
            similarity=manifest.similarity,
            quantization=manifest.quantization,
            filters=manifest.filters,
        )

    def ensure(self) -> None:
        """Create it, or update it to new filter paths; does not wait."""
        with explained():
            found = self._find()
            if found is None:
                model = SearchIndexModel(self.definition, self.name, "vectorSearch")
                self._mongo.create_search_index(model)
            elif not same_index(self.definition, found.get("latestDefinition", {})):
                self._mongo.update_search_index(self.name, self.definition)

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
        """Raises the SearchIndexError that says why a search would come back empty or wrong.

        An index that is being rebuilt still answers from its old version; `ready` refuses that.
        """
        with explained():
            found = self._find()
        if found is None:
            raise IndexMissing(
                f"{self._mongo.full_name} has no search index {self.name!r} (it has: "
                f"{self._names()}); run leaf-ingest again to create it"
            )
        status, latest = str(found.get("status")), found.get("latestDefinition", {})
        shown = f"search index {self.name!r} of {self._mongo.full_name}"
        queryable = bool(found.get("queryable"))
        if status == "FAILED" and (ready or not queryable):
            raise IndexFailed(
                f"{shown} FAILED: {_reason(found)}; drop it and run leaf-ingest again to build anew"
            )
        if not queryable or (ready and status != "READY"):
            raise IndexNotReady(f"{shown} is {status}, not READY; try again in a moment")
        if not same_index(self.definition, latest):
            raise SearchIndexError(
                f"{shown} is defined as {latest}, but the manifest says {self.definition}; run "
                "leaf-ingest again to update it"
            )

    def _find(self) -> Mapping[str, Any] | None:
        found = list(self._mongo.list_search_indexes(self.name))
        return found[0] if found else None

    def _names(self) -> str:
        with explained():
            return ", ".join(i["name"] for i in self._mongo.list_search_indexes()) or "none"


def _reason(index: Mapping[str, Any]) -> str:
    messages = [
        str(part["message"])
        for host in index.get("statusDetail", ())
        for part in (host.get("mainIndex", {}), host.get("stagedIndex", {}))
        if part.get("message")
    ]
    return "; ".join(messages) or "the server gives no reason"
