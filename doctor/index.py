"""Search indexes as `$listSearchIndexes` lists them, and the choice of the one to examine."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leafsearch.config.text import quote

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
    is_flat: bool  # every search compares with every vector
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
            is_flat=field.get("indexingMethod") == "flat",
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
        counted = [version for version in self._versions("mainIndex") if "numVectors" in version]
        return counted[0] if len(counted) == 1 else None

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
    return bool(embedded_fields(listed))


def embedded_fields(listed: Listed) -> list[Mapping[str, Any]]:
    """Those whose texts MongoDB embeds."""
    fields = listed.get("latestDefinition", {}).get("fields", ())
    if not isinstance(fields, Sequence):
        return []
    return [field for field in fields if field.get("type") in ("autoEmbed", "text")]


def _mentions(mapping: Any, kind: str) -> bool:
    if isinstance(mapping, Mapping):
        return mapping.get("type") == kind or any(_mentions(v, kind) for v in mapping.values())
    return isinstance(mapping, list) and any(_mentions(each, kind) for each in mapping)


def choose(
    listed: Sequence[Listed],
    name: str | None,
    path: str | None,
    collection: str,
    examine: Callable[..., str],
) -> tuple[Listed, str] | str:
    """The index and the path to examine; or a text that says why none can be chosen."""
    if name is not None:
        named = [each for each in listed if each["name"] == name]
        if named:
            return _on_path(named[0], path, examine)
        return _no_such(listed, name, collection, examine)
    usable = [each for each in listed if path in (None, *_paths(each)) and _paths(each)]
    if len(usable) == 1:
        return _on_path(usable[0], path, examine)
    if usable:
        names = ", ".join(str(each["name"]) for each in usable)
        one = examine("--index", str(usable[0]["name"]))
        return f"{collection} has several vector indexes ({names}); name one: {one}"
    return _none_usable(listed, path, collection, examine)


def _on_path(
    listed: Listed, path: str | None, examine: Callable[..., str]
) -> tuple[Listed, str] | str:
    paths, name = _paths(listed), listed["name"]
    if path in paths:
        return listed, path
    if has_old_syntax(listed):
        return (
            f"{name} is of type `search` with `knnVector`, which $vectorSearch cannot use; "
            "create an index of type vectorSearch"
        )
    if embeds_by_itself(listed):
        return f"{name} is an autoEmbed index: MongoDB computes its vectors and stores none"
    if not paths:
        return f"{name} is not a vector index; choose another with --index"
    if path is None and len(paths) == 1:
        return listed, paths[0]
    if path is None:
        one = examine("--path", paths[0])
        return f"{name} covers several paths ({', '.join(paths)}); name one: {one}"
    right = examine("--path", paths[0])
    return f"{name} covers {', '.join(paths)}, not {path}: searches on it fail. Try {right}"


def _no_such(
    listed: Sequence[Listed], name: str, collection: str, examine: Callable[..., str]
) -> str:
    names = [str(each["name"]) for each in listed]
    close = difflib.get_close_matches(name, names, n=1)
    advice = f"did you mean {examine('--index', close[0])}?" if close else "name another --index"
    return (
        f"{collection} has no search index {quote(name)} (it has: {', '.join(names) or 'none'}): a "
        f"search on it finds nothing, without an error; {advice}"
    )


def _none_usable(
    listed: Sequence[Listed], path: str | None, collection: str, examine: Callable[..., str]
) -> str:
    if path is None and len(listed) == 1:
        return str(_on_path(listed[0], path, examine))
    names = ", ".join(f"{each['name']} on {', '.join(_paths(each)) or '-'}" for each in listed)
    where = "" if path is None else f" on {path}"
    return (
        f"{collection} has no vector index{where} (search indexes: {names or 'none'}). Create one "
        "of type vectorSearch, or correct --path"
    )


def _paths(listed: Listed) -> list[str]:
    return [str(field["path"]) for field in vector_fields(listed)]
