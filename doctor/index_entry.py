"""A vector index as `$listSearchIndexes` tells of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Listed = Mapping[str, Any]


@dataclass(frozen=True)
class IndexEntry:
    """One vector field of an index, and the index around it."""

    name: str
    path: str
    dimensions: int
    similarity: str
    quantization: str
    filters: tuple[str, ...]
    nested: bool  # one document may have many vectors
    status: str
    queryable: bool
    listed: Listed

    @classmethod
    def of(cls, listed: Listed, path: str) -> "IndexEntry":
        definition = listed.get("latestDefinition", {})
        fields = definition.get("fields", ())
        field = next(f for f in vector_fields(listed) if f["path"] == path)
        return cls(
            name=str(listed["name"]),
            path=path,
            dimensions=int(field["numDimensions"]),
            similarity=str(field["similarity"]),
            quantization=str(field.get("quantization", "none")),
            filters=tuple(str(f["path"]) for f in fields if f.get("type") == "filter"),
            nested="nestedRoot" in definition,
            status=str(listed.get("status")),
            queryable=bool(listed.get("queryable")),
            listed=listed,
        )

    @property
    def reason(self) -> str:
        """Why it failed, in the server's words."""
        versions = [*self._versions("mainIndex"), *self._versions("stagedIndex")]
        messages = [str(version["message"]) for version in versions if version.get("message")]
        return "; ".join(dict.fromkeys(messages)) or "the server gives no reason"

    @property
    def counted(self) -> Mapping[str, Any] | None:
        """What the serving index holds, where the server tells: leaf-mongo does, Atlas does not."""
        told = [version for version in self._versions("mainIndex") if "numVectors" in version]
        return told[0] if len(told) == 1 else None

    def _versions(self, key: str) -> list[Mapping[str, Any]]:
        return [host[key] for host in self.listed.get("statusDetail", ()) if host.get(key)]


def vector_fields(listed: Listed) -> list[Mapping[str, Any]]:
    """Those of an index of type `vectorSearch`; `search` indexes have mappings instead."""
    fields = listed.get("latestDefinition", {}).get("fields", ())
    if not isinstance(fields, Sequence):
        return []
    return [field for field in fields if field.get("type") == "vector"]


def has_old_syntax(listed: Listed) -> bool:
    """`knnVector` in an index of type `search`: what came before `vectorSearch`."""
    return _mentions(listed.get("latestDefinition", {}).get("mappings"), "knnVector")


def embeds_by_itself(listed: Listed) -> bool:
    fields = listed.get("latestDefinition", {}).get("fields", ())
    return isinstance(fields, Sequence) and any(f.get("type") == "autoEmbed" for f in fields)


def _mentions(mapping: Any, kind: str) -> bool:
    if isinstance(mapping, Mapping):
        return mapping.get("type") == kind or any(_mentions(v, kind) for v in mapping.values())
    return isinstance(mapping, list) and any(_mentions(each, kind) for each in mapping)
