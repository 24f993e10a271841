"""Commands inside messages, with the options that the user gave, so that they can be pasted.

A process that runs a command keeps that command's line here while it runs. A program that imports
leafsearch has no such line, so a hint then has only the names that its caller passes.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypedDict

from leafsearch.config.presets import MULTILINGUAL
from leafsearch.config.settings import Settings
from leafsearch.config.text import shorten

PATH = "PATH"  # stands for what the user has to name
_WHERE = ("--uri", "--database", "--collection", "--home")
# Options that decide how a path is read: a command on the same path needs them too.
_READING = (
    *("--format", "--include", "--exclude", "--source", "--filter-source"),
    *("--id-field", "--text-field", "--title-field", "--in-place", "--path"),
)
_PAIR = ("--preset", "--teacher", "--student")
_ACTIONS = (*("--all", "--rebuild", "--prune", "--follow", "--yes", "--dry-run", "--json"),)
_SECRET_OPTION = re.compile(r"(?i)([?&;](?:[^=&;]*password|authmechanismproperties)=)[^&;]*")


class Names(TypedDict):
    """The collection that a command is about."""

    database: str
    collection: str


@dataclass(frozen=True)
class Line:
    """A command line as the user gave it; an option without a value is a flag."""

    program: str = ""
    words: tuple[str, ...] = ()
    options: tuple[tuple[str, str | None], ...] = ()


_running = Line()


@contextmanager
def running(line: Line) -> Iterator[None]:
    """Hints repeat the options of `line` until this ends."""
    global _running
    before, _running = _running, line
    try:
        yield
    finally:
        _running = before


def line_of(program: str, context: Any) -> Line:
    """`context`: click's, after it has read the command line."""
    words: list[str] = []
    options: list[tuple[str, str | None]] = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name)
        if source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[parameter.name]
        values = list(value) if isinstance(value, list | tuple) else [value]
        if parameter.param_type_name == "argument":
            words += map(str, values)
        elif getattr(parameter, "is_flag", False):
            options.append(((parameter.opts if value else parameter.secondary_opts)[0], None))
        else:
            options += [(parameter.opts[0], str(each)) for each in values]
    return Line(program, tuple(words), tuple(options))


def hint(
    program: str,
    *arguments: str,
    database: str = "",
    collection: str = "",
    whole: bool = False,
) -> str:
    """`program arguments`, in backticks, with the options that lead to the same place.

    PATH among the arguments becomes what the user named, with the options that say how it is read.
    `whole` repeats all options of the running command, but those that say what is to be done.
    """
    is_same = program == _running.program
    words: list[str] = []
    for argument in arguments:
        has_words = argument == PATH and is_same and _running.words
        words += map(shown, _running.words) if has_words else [argument]
    replaced = {argument for argument in arguments if argument.startswith("-")}
    repeated = ["--home"] if program == "leaf-mongo" else [*_WHERE]
    if is_same and PATH in arguments:
        repeated += _READING
    if whole and program == "leaf-ingest":
        repeated += _PAIR  # the doctor has them too
    kept = [
        (name, value)
        for name, value in _running.options
        if name not in replaced
        and (name in repeated or (whole and is_same and name not in _ACTIONS))
    ]
    names = {name for name, _ in kept} | replaced
    for field, value in (("database", database), ("collection", collection)):
        usual = Settings.model_fields[field].default
        if f"--{field}" in repeated and value not in ("", usual) and f"--{field}" not in names:
            kept.append((f"--{field}", value))
    options = [part for name, value in kept for part in _option(name, value)]
    return f"`{' '.join([program, *(_quoted(word) for word in words), *options])}`"


def ingest_hint(
    *arguments: str, database: str, collection: str, in_place: bool = False, whole: bool = False
) -> str:
    """`leaf-ingest PATH arguments`; `in_place` the path is the collection itself."""
    source = (f"mongodb:{database}.{collection}", "--in-place") if in_place else (PATH,)
    names: Names = {"database": database, "collection": collection}
    if in_place:
        names = {"database": "", "collection": ""}
    return hint("leaf-ingest", *source, *arguments, **names, whole=whole)


def rebuild_hint(
    *arguments: str, database: str, collection: str, in_place: bool = False, whole: bool = False
) -> str:
    """Say how to get other vectors; vectors `in_place` cannot be rebuilt beside others."""
    if in_place:
        return "ingest the documents into another --collection, without --in-place"
    names: Names = {"database": database, "collection": collection}
    command = ingest_hint("--rebuild", *arguments, **names, whole=whole)
    return f"{command} rebuilds the vectors beside the active ones"


def multilingual_hint(teacher: str, *, database: str, collection: str, in_place: bool) -> str:
    """Say what to do about a language that the teacher cannot read."""
    why = f"the vocabulary of {shorten(teacher, 100)} lacks their letters, so equal words find them"
    if teacher == MULTILINGUAL:
        return why
    models = ("--teacher", MULTILINGUAL, "--student", MULTILINGUAL)
    again = rebuild_hint(*models, database=database, collection=collection, in_place=in_place)
    return f"{why}, but not their meaning; a multilingual teacher is {MULTILINGUAL}: {again}"


def shown(value: str) -> str:
    """Mask the password of a MongoDB URI; return any other value as it is."""
    scheme, separator, rest = value.partition("://")
    if not separator or not scheme.startswith("mongodb"):
        return value
    login, at, address = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    login = f"{user}:***" if colon else login
    return _SECRET_OPTION.sub(r"\1***", f"{scheme}://{login}{at}{address}")


def _option(name: str, value: str | None) -> Sequence[str]:
    return [name] if value is None else [name, _quoted(shown(value))]


def _quoted(word: str) -> str:
    """Quote a word for a shell, on one line."""
    return shlex.quote("".join(sign if sign.isprintable() else "?" for sign in word))
