"""storedSource: the part of a document that an index keeps and returns with the hits."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leafmongo.engine.documents.paths import path_problem
from leafmongo.engine.errors import Refused
from leafmongo.engine.parser import Section

Tree = dict[str, "Tree"]


@dataclass(frozen=True)
class StoredSource:
    """The paths to keep or, if `exclude`, to leave out."""

    paths: tuple[str, ...]
    exclude: bool = False

    def of(self, document: Mapping[str, Any]) -> dict[str, Any]:
        return _without(document, self._paths) if self.exclude else _only(document, self._paths)

    @functools.cached_property
    def _paths(self) -> Tree:
        """`_id` is always kept with the included paths."""
        return _tree(self.paths if self.exclude else (*self.paths, "_id"))


def parse_stored_source(section: Section) -> StoredSource | None:
    value = section.value("storedSource")
    if value is None or value is False:
        return None
    if value is True:
        raise section.refused(
            "storedSource",
            "true is not supported for vector indexes; use include, exclude or false",
        )
    lists = section.need("storedSource", section.section("storedSource"))
    include, exclude = lists.array("include"), lists.array("exclude")
    lists.refuse_other_keys()
    if (include is None) == (exclude is None):
        raise section.refused("storedSource", "must have exactly one of [exclude, include]")
    if include is not None:
        return StoredSource(_paths(include, lists.name("include")))
    return StoredSource(_paths(exclude or [], lists.name("exclude")), exclude=True)


def _paths(entries: Sequence[Any], where: str) -> tuple[str, ...]:
    if not entries:
        raise Refused(f'"{where}" cannot be empty')
    for i, entry in enumerate(entries):
        if not isinstance(entry, str):
            raise Refused(f'"{where}[{i}]" must be a string')
        if not entry.strip():
            raise Refused(f'"{where}[{i}]" cannot be blank')
        if wrong := path_problem(entry):
            raise Refused(f'"{where}[{i}]" {wrong}')
    known = set(entries)
    for entry in entries:
        names = entry.split(".")
        for above in map(".".join, (names[:depth] for depth in range(1, len(names)))):
            if above in known:
                raise Refused(f'"{where}" has colliding paths "{above}" and "{entry}"')
    if len(set(entries)) < len(entries):
        raise Refused(f'"{where}" names a path twice')
    return tuple(entries)


def _tree(paths: Sequence[str]) -> Tree:
    """Nested dicts of path segments; an empty dict ends a path."""
    tree: Tree = {}
    for path in paths:
        node = tree
        for segment in path.split("."):
            node = node.setdefault(segment, {})
    return tree


def _only(value: Mapping[str, Any], tree: Tree) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, below in value.items():
        if key in tree:
            _keep(kept, key, below, tree[key])
    return kept


def _keep(kept: dict[str, Any], key: str, below: Any, tree: Tree) -> None:
    """Keep a value that a path leads through only if it is a document or an array."""
    if not tree:
        kept[key] = below
    elif isinstance(below, Mapping):
        kept[key] = _only(below, tree)
    elif isinstance(below, list):
        kept[key] = _only_elements(below, tree)


def _only_elements(elements: list[Any], tree: Tree) -> list[Any]:
    return [
        _only(element, tree) if isinstance(element, Mapping) else _only_elements(element, tree)
        for element in elements
        if isinstance(element, Mapping | list)
    ]


def _without(value: Mapping[str, Any], tree: Tree) -> dict[str, Any]:
    return {
        key: _prune(below, tree[key]) if key in tree else below
        for key, below in value.items()
        if tree.get(key) != {}
    }


def _prune(value: Any, tree: Tree) -> Any:
    if isinstance(value, Mapping):
        return _without(value, tree)
    if isinstance(value, list):
        return [_prune(element, tree) for element in value]
    return value
