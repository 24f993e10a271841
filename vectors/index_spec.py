"""What search indexes a manifest asks for, and what the server's list of them means."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from leafsearch.config.hint import hint
from leafsearch.config.text import quote
from leafsearch.vectors.errors import IndexDiffers, IndexFailed, IndexMissing, IndexNotReady
from leafsearch.vectors.index import (
    index_definition,
    same_index,
    text_index_definition,
    text_index_name,
)
from leafsearch.vectors.manifest import Manifest

Listed = Iterable[Mapping[str, Any]]  # what $listSearchIndexes gives


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
        )
        return cls(manifest.index, "vectorSearch", definition, collection)

    @classmethod
    def of_text(cls, manifest: Manifest, collection: str) -> "IndexSpec":
        definition = text_index_definition(
            manifest.filters,
            (manifest.text_field, manifest.title_field),
            generations=manifest.layout == "chunks",
        )
        return cls(text_index_name(manifest.index), "search", definition, collection)

    def find(self, listed: Listed) -> Mapping[str, Any] | None:
        return next((index for index in listed if index["name"] == self.name), None)

    def demand_no_failure(self, listed: Listed) -> None:
        """Raises IndexFailed if the server has given up this very definition."""
        found = self.find(listed) or {}
        latest = found.get("latestDefinition", {})
        if found.get("status") == "FAILED" and same_index(self.definition, latest):
            self.judge([found], ready=True)

    def judge(self, listed: Listed, *, ready: bool = False) -> None:
        """Raises the SearchIndexError that says why a search would come back empty or wrong.

        An index that is being rebuilt still answers from its old version; `ready` refuses that.
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
                f"{shown} FAILED: {_reason(found)}; when the reason is gone, {self._repair} makes "
                "it again"
            )
        if not queryable or (ready and status != "READY"):
            raise IndexNotReady(f"{shown} is {status}, not READY; try again in a moment")
        if not same_index(self.definition, latest):
            raise IndexDiffers(
                f"{shown} is defined as {latest}, but the manifest says {self.definition}; "
                f"{self._repair} updates it"
            )

    @property
    def _repair(self) -> str:
        database, _, name = self.collection.partition(".")
        return hint("leaf-ingest", "--repair", database=database, collection=name)


def _reason(index: Mapping[str, Any]) -> str:
    messages = [
        str(part["message"])
        for host in index.get("statusDetail", ())
        for part in (host.get("mainIndex", {}), host.get("stagedIndex", {}))
        if part.get("message")
    ]
    return "; ".join(messages) or "the server gives no reason"
