"""Which of the search indexes is the one to look at, or why none is."""

import difflib
from collections.abc import Callable, Sequence

from leafsearch.config.text import quote
from leafsearch.doctor.index_entry import (
    Listed,
    embeds_by_itself,
    has_old_syntax,
    vector_fields,
)


def choose(
    listed: Sequence[Listed],
    name: str | None,
    path: str | None,
    collection: str,
    examine: Callable[..., str],
) -> tuple[Listed, str] | str:
    """The index and the path to look at, or why there is none.

    `examine` gives the command that looks again, with other options.
    """
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
            f"{name} is of type `search` with `knnVector`, the syntax from before $vectorSearch; "
            "make an index of type vectorSearch"
        )
    if embeds_by_itself(listed):
        return f"{name} is an autoEmbed index: MongoDB makes its vectors itself, none is stored"
    if not paths:
        return f"{name} is no vector index; name another with --index"
    if path is None and len(paths) == 1:
        return listed, paths[0]
    if path is None:
        one = examine("--path", paths[0])
        return f"{name} covers several paths ({', '.join(paths)}); name one: {one}"
    right = examine("--path", paths[0])
    return f"{name} covers {', '.join(paths)}, not {path}: searches on it fail; correct it: {right}"


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
        f"{collection} has no vector index{where} (search indexes: {names or 'none'}); make one "
        "of type vectorSearch, or correct --path"
    )


def _paths(listed: Listed) -> list[str]:
    return [str(field["path"]) for field in vector_fields(listed)]
