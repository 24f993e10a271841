"""A search index of a collection: create it, wait for it, explain why it cannot be used.

Check an index before a search, because the server answers a search on a missing or misspelt index
with an empty result and no error.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.collection import Collection as MongoCollection
from pymongo.errors import OperationFailure
from pymongo.operations import SearchIndexModel

from leafsearch.config.hint import hint
from leafsearch.config.text import quote
from leafsearch.vectors.errors import (
    IndexDiffers,
    IndexFailed,
    IndexLimit,
    IndexMissing,
    IndexNotReady,
    SearchIndexError,
)
from leafsearch.vectors.store.connection import explain_errors, short
from leafsearch.vectors.store.indexes.limit import explain_limit
from leafsearch.vectors.store.indexes.pipelines import (
    index_definition,
    is_same_index,
    text_index_definition,
    text_index_name,
)
from leafsearch.vectors.store.indexes.stored_source import stored_source
from leafsearch.vectors.store.manifest import Manifest
from leafsearch.vectors.store.retry import RetryBudget

Listed = Iterable[Mapping[str, Any]]  # the output of $listSearchIndexes


@dataclass(frozen=True)
class IndexSpec:
    name: str
    type: str  # vectorSearch or search
    definition: Mapping[str, Any]
    collection: str  # for messages, with its database

    @classmethod
    def of_vectors(cls, manifest: Manifest, collection: str) -> "IndexSpec":
        definition = index_definition(
            path=manifest.path,
            dimensions=manifest.dimensions,
            similarity=manifest.similarity,
            quantization=manifest.quantization,
            filters=manifest.filters,
            tuning=manifest.tuning,
            stored_source=stored_source(manifest),
        )
        return cls(manifest.index, "vectorSearch", definition, collection)

    @classmethod
    def of_text(cls, manifest: Manifest, collection: str) -> "IndexSpec":
        definition = text_index_definition(
            manifest.filters,
            tuple(dict.fromkeys((*manifest.text_fields, manifest.title_field))),
            generations=manifest.layout == "chunks",
            analyzer=manifest.tuning.text_analyzer,
        )
        return cls(text_index_name(manifest.index), "search", definition, collection)

    def find(self, listed: Listed) -> Mapping[str, Any] | None:
        return next((index for index in listed if index["name"] == self.name), None)

    def require_no_failure(self, listed: Listed) -> None:
        """Raises IndexFailed if the server gave up building exactly this definition."""
        found = self.find(listed) or {}
        latest = found.get("latestDefinition", {})
        if found.get("status") == "FAILED" and is_same_index(self.definition, latest):
            self.judge([found], ready=True)

    def judge(self, listed: Listed, *, ready: bool = False, tuned: bool = False) -> None:
        """Raises the SearchIndexError that explains why a search would be empty or wrong.

        An index that is being rebuilt still answers from its old version; `ready` rejects that
        too, and `tuned` one that is built in another way than chosen.
        """
        listed = list(listed)
        found = self.find(listed)
        if found is None:
            names = ", ".join(index["name"] for index in listed) or "none"
            raise IndexMissing(
                f"{self.collection} has no search index {quote(self.name)} (it has: {names}); "
                f"{self._repair} creates it"
            )
        status, latest = str(found.get("status")), found.get("latestDefinition", {})
        shown = f"search index {quote(self.name)} of {self.collection}"
        queryable = bool(found.get("queryable"))
        if status == "FAILED" and (ready or not queryable):
            raise IndexFailed(
                f"{shown} FAILED: {_reason(found)}; remove the cause, then {self._repair} rebuilds "
                "it"
            )
        if not queryable or (ready and status != "READY"):
            raise IndexNotReady(f"{shown} is {status}; expected READY. Try again in a moment")
        if not is_same_index(self.definition, latest, tuned=tuned or ready):
            raise IndexDiffers(
                f"{shown} is defined as {latest}; the manifest expects {self.definition}. "
                f"{self._repair} updates it"
            )

    @property
    def _repair(self) -> str:
        database, _, name = self.collection.partition(".")
        return hint("leaf-ingest", "repair", database=database, collection=name)


def _reason(index: Mapping[str, Any]) -> str:
    messages = [
        str(part["message"])
        for host in index.get("statusDetail", ())
        for part in (host.get("mainIndex", {}), host.get("stagedIndex", {}))
        if part.get("message")
    ]
    return "; ".join(messages) or "the server gives no reason"


_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # seconds between two looks
_ALREADY_THERE = 68
_DEAD = ("FAILED", "STALE")
_FULL = re.compile(r"(?i)maximum number of \w+ indexes|maximum_indexes")
# By the key of a definition that an older server does not know: the option to leave out.
_NEWER = {
    "indexingMethod": "--indexing-method",
    "hnswOptions": "--hnsw-max-edges and --hnsw-candidates",
    "storedSource": "--stored-source",
}


class SearchIndex:
    def __init__(self, mongo: MongoCollection[Any], spec: IndexSpec) -> None:
        self._mongo = mongo
        self.spec = spec

    def ensure(self) -> None:
        """Create the index, or update it to new filter paths; do not wait for it."""
        with explain_errors():
            found = self.spec.find(self._mongo.list_search_indexes())
            if found is None:
                self._create()
            elif not is_same_index(self.spec.definition, found.get("latestDefinition", {})):
                self._update()

    def remake(self, *, seconds: float) -> bool:
        """Rebuild a failed index and update an outdated one; return whether that was needed.

        Raises IndexNotReady if a dropped index is still there after `seconds`.
        """
        with explain_errors():
            found = self.spec.find(self._mongo.list_search_indexes())
            is_dead = found is not None and found.get("status") in _DEAD
            if is_dead:
                self._drop(seconds=seconds)
        try:
            self.check(tuned=True)
        except IndexNotReady:
            return is_dead
        except SearchIndexError:
            self.ensure()
            return True
        return is_dead

    def _drop(self, *, seconds: float) -> None:
        self._mongo.drop_search_index(self.spec.name)
        deadline = time.monotonic() + seconds
        while self.spec.find(self._mongo.list_search_indexes()) is not None:
            if time.monotonic() > deadline:
                raise IndexNotReady(
                    f"search index {self.spec.name!r} of {self.spec.collection} is still being "
                    f"dropped (waited {seconds:.0f} s; see --wait); run this again in a moment"
                )
            time.sleep(_FIRST_PAUSE)

    def check(self, *, ready: bool = False, tuned: bool = False) -> None:
        """See IndexSpec.judge."""
        with explain_errors():
            self.spec.judge(self._mongo.list_search_indexes(), ready=ready, tuned=tuned)

    def require_no_failure(self) -> None:
        """See IndexSpec.require_no_failure."""
        with explain_errors():
            self.spec.require_no_failure(self._mongo.list_search_indexes())

    def _create(self) -> None:
        spec = self.spec
        model = SearchIndexModel(dict(spec.definition), spec.name, spec.type)
        try:
            self._mongo.create_search_index(model)
        except OperationFailure as error:
            if is_full(error):
                raise IndexLimit(explain_limit([spec.name], self._mongo.database.client)) from error
            if error.code != _ALREADY_THERE:
                self._explain_unknown_key(error)
                raise
            self._update()  # another ingest has just created it, with other filter paths

    def _update(self) -> None:
        try:
            self._mongo.update_search_index(self.spec.name, dict(self.spec.definition))
        except OperationFailure as error:
            self._explain_unknown_key(error)
            raise

    def _explain_unknown_key(self, error: OperationFailure) -> None:
        """Raises SearchIndexError for what an older server does not know."""
        text = str(error)
        for key, options in _NEWER.items():
            if key in text and "unrecognized" in text:
                raise SearchIndexError(
                    f"search index {quote(self.spec.name)} of {self.spec.collection}: this server "
                    f"knows no {key} ({short(error)}), and nothing was changed. Leave out {options}"
                ) from error


def wait_for(
    indexes: Sequence[SearchIndex],
    *,
    seconds: float,
    on_status: Callable[[str], None] = lambda status: None,
    retries: RetryBudget | None = None,
) -> None:
    """Wait until all are READY with their definition; report each new status to `on_status`.

    Raises IndexFailed, IndexDiffers or IndexMissing at once, IndexNotReady after `seconds`.
    """
    retries = retries or RetryBudget()
    deadline, pause, last = time.monotonic() + seconds, _FIRST_PAUSE, ""
    while status := retries.run(lambda: _late(indexes)):
        if status != last:
            on_status(status)
            last = status
        if time.monotonic() + pause > deadline:
            raise IndexNotReady(f"{status} (waited {seconds:.0f} s; see --wait)")
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def is_full(error: OperationFailure) -> bool:
    """Whether the server allows no more search indexes; Atlas has no code for that alone."""
    return bool(_FULL.search(str(error)))


def require_search(mongo: MongoCollection[Any]) -> None:
    """Raises DeploymentError without a search process; the collection need not exist."""
    with explain_errors():
        list(mongo.list_search_indexes())


def _late(indexes: Sequence[SearchIndex]) -> str:
    """The first status that is not READY; checks all, because a later index may have failed."""
    late = []
    for index in indexes:
        try:
            index.check(ready=True)
        except IndexNotReady as error:
            late.append(str(error))
    return late[0] if late else ""
