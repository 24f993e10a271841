"""`leaf-search students`, and its sub-commands: parse the options, call one function, print."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any, ClassVar

import typer
from pymongo.database import Database as MongoDatabase
from rich.console import Console
from rich.table import Table
from rich.text import Text

from leafsearch.config import Settings
from leafsearch.config.cli import (
    Collection,
    Database,
    Home,
    SubCommands,
    Uri,
    new_app,
    new_command,
    option,
)
from leafsearch.config.command import one_line_errors, say, say_warnings, settings
from leafsearch.config.hint import line_of
from leafsearch.config.text import expected_one_of, one_line, quote
from leafsearch.search.students.change import (
    ListedStudent,
    add,
    choose_candidates,
    choose_default,
    list_students,
    remove,
    students_of,
)
from leafsearch.vectors import connect
from leafsearch.vectors.store import TEACHER, deployment_uri

_PROGRAM = "leaf-search students"
_say = partial(say, "leaf-search")
_Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]


class LeafStudents(SubCommands):
    """Without a name it lists; any other word is a mistake."""

    default = ""
    modules: ClassVar = {
        "": "leafsearch.search.students.command:list_app",
        "add": "leafsearch.search.students.command:add_app",
        "remove": "leafsearch.search.students.command:remove_app",
        "default": "leafsearch.search.students.command:default_app",
        "candidates": "leafsearch.search.students.command:candidates_app",
    }

    def starts_default(self, args: Sequence[str], own: set[str]) -> bool:
        return not args or (args[0].startswith("-") and args[0] not in own)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.modules:
            ctx.fail(f"{quote(args[0])}: {expected_one_of(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


app = new_app(cls=LeafStudents, add_completion=False)


@app.callback()
def _program() -> None:
    """List the models that may encode queries; add, remove, choose one."""


list_app, register_list = new_command()
add_app, register_add = new_command()
remove_app, register_remove = new_command()
default_app, register_default = new_command()
candidates_app, register_candidates = new_command()


@contextmanager
def _opened(
    context: typer.Context, program: str, **given: Any
) -> Iterator[tuple[MongoDatabase[Any], Settings]]:
    say_warnings("leaf-search")
    with one_line_errors("leaf-search", line=line_of(program, context)):
        chosen = settings(**given)
        with closing(connect(deployment_uri(chosen, _say))) as client:
            yield client[chosen.database], chosen


@register_list
def list_command(
    context: typer.Context,
    collection: Collection = None,
    as_json: Annotated[bool, option("Print one JSON object a line.", "--json")] = False,
    uri: Uri = None,
    database: Database = None,
    home: Home = None,
) -> None:
    """List the students of a collection: the models that can encode its queries.

    A search uses the default one, or the one that --student names. Each has a line with its mean
    cosine, the milliseconds of a query and the megabytes of its files where they were measured, and
    how many times as many candidates its queries take as the teacher's.

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    where = {"mongodb_uri": uri, "database": database, "collection": collection, "home": home}
    with _opened(context, _PROGRAM, **where) as (there, chosen):
        manifest = students_of(there, chosen.collection)
        students = list_students(manifest)
        if as_json:
            for student in students:
                print(json.dumps(asdict(student)))
            return
        Console().print(_table(students))
        teacher = one_line(manifest.teacher.name)
        Console().print(Text(f"--student {TEACHER} encodes with the teacher, {teacher}", "dim"))


@register_add
def add_command(
    context: typer.Context,
    name: _Name,
    model: Annotated[str, typer.Argument(metavar="MODEL", show_default=False)],
    candidates: Annotated[
        float | None,
        option("Take FACTOR times as many candidates as the teacher.", metavar="FACTOR"),
    ] = None,
    is_default: Annotated[bool, option("Make it the default student.", "--default")] = False,
    kept: Annotated[
        bool, option("Measure what it keeps of the teacher's quality; loads both.", "--kept")
    ] = False,
    collection: Collection = None,
    uri: Uri = None,
    database: Database = None,
    home: Home = None,
) -> None:
    """Add a model under a name, once its queries fit the stored vectors.

    No vector changes. The model must have been distilled from the collection's teacher; some stored
    texts show whether it was. Without --candidates the factor is 2, or 4 for a static student.

    Example: leaf-search students add fast package:leafsearch/vectors/offline_fast

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    where = {"mongodb_uri": uri, "database": database, "collection": collection, "home": home}
    with _opened(context, f"{_PROGRAM} add", student=model, **where) as (there, chosen):
        added = add(
            there,
            chosen,
            name,
            candidates=candidates,
            is_default=is_default,
            is_kept_measured=kept,
            on_status=_say,
        )
        as_what = ", the default from now on" if is_default else ""
        _say(f"added {name}{as_what}: {_described(added)}")


@register_remove
def remove_command(
    context: typer.Context,
    name: _Name,
    collection: Collection = None,
    uri: Uri = None,
    database: Database = None,
    home: Home = None,
) -> None:
    """Remove a student from a collection. Its files and all vectors stay.

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    where = {"mongodb_uri": uri, "database": database, "collection": collection, "home": home}
    with _opened(context, f"{_PROGRAM} remove", **where) as (there, chosen):
        remove(there, chosen, name)
        _say(f"removed {name}")


@register_default
def default_command(
    context: typer.Context,
    name: _Name,
    collection: Collection = None,
    uri: Uri = None,
    database: Database = None,
    home: Home = None,
) -> None:
    """Choose the student that encodes what names no other.

    Open searchers take it within a minute.

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    where = {"mongodb_uri": uri, "database": database, "collection": collection, "home": home}
    with _opened(context, f"{_PROGRAM} default", **where) as (there, chosen):
        choose_default(there, chosen, name)
        _say(f"{name} is the default student of {there.name}.{chosen.collection}")


@register_candidates
def candidates_command(
    context: typer.Context,
    name: _Name,
    factor: Annotated[float, typer.Argument(metavar="FACTOR", show_default=False)],
    collection: Collection = None,
    uri: Uri = None,
    database: Database = None,
    home: Home = None,
) -> None:
    """Choose how many times as many candidates a student's queries take as the teacher's.

    `leaf-search doctor` measures which factor is enough.

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    where = {"mongodb_uri": uri, "database": database, "collection": collection, "home": home}
    with _opened(context, f"{_PROGRAM} candidates", **where) as (there, chosen):
        choose_candidates(there, chosen, name, factor)
        _say(f"queries of {name} take {factor:g} times the teacher's candidates")


def _described(student: ListedStudent) -> str:
    size = "" if student.megabytes is None else f", {student.megabytes:g} MB"
    kept = "" if student.kept is None else f", {student.kept:.0%} of the teacher's quality kept"
    return (
        f"mean cosine {student.cosine:.2f}{kept}, {_milliseconds(student)} ms a query{size}, "
        f"candidates x{student.candidates:g}"
    )


def _table(students: Sequence[ListedStudent]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("student", overflow="fold")
    for heading in ("cosine", "ms", "MB", "kept", "candidates"):
        table.add_column(heading, justify="right")
    for student in students:
        name = Text(one_line(student.name), "bold")
        if student.is_default:
            name.append(" (default)", "not bold")
        name.append(f"\n{one_line(student.model)}", "not bold dim")
        table.add_row(
            name,
            f"{student.cosine:.2f}",
            _milliseconds(student),
            "-" if student.megabytes is None else f"{student.megabytes:g}",
            "-" if student.kept is None else f"{student.kept:.0%}",
            f"x{student.candidates:g}",
        )
    return table


def _milliseconds(student: ListedStudent) -> str:
    return "-" if student.milliseconds is None else f"{student.milliseconds:.2g}"
