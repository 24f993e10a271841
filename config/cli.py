"""What the command lines share: options, help in groups, sub-commands, usage errors.

Apart from `config.command`, because a program that imports leafsearch needs no Typer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from leafsearch.config.command import say
from leafsearch.config.text import one_line

_NO_BRACES = str.maketrans("", "", "{}")
_HELP = {"help_option_names": ["-h", "--help"]}
# Spellings of version 0.1, which this version still takes.
_RENAMED = {"--patience": "--retry-for"}
# What a newcomer gives to every command, though only those that make a collection take it.
_OF_THE_MANIFEST = {"--preset", "--teacher", "--student", "--storage"}
MODELS, STORAGE, WHERE = "Models", "Storage format", "Where"


def option(
    help: str,
    *names: str,
    metavar: str | None = None,
    panel: str | None = None,
    values: Sequence[str] = (),
    **more: Any,
) -> Any:
    """An option of Typer's. `panel`: its group in the help; `values`: what the shell completes."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return typer.Option(
        *names,
        help=help,
        metavar=metavar,
        show_default=False,
        rich_help_panel=panel,
        autocompletion=complete if values else None,
        **more,
    )


def _show_version(context: typer.Context, is_wanted: bool) -> None:
    if is_wanted:
        program = context.find_root().info_name or "leafsearch"
        if program.startswith("python "):  # python -m leafsearch.search
            program = "leafsearch"
        print(f"{program.split()[0]} {version('leafsearch')}")
        raise typer.Exit


Version = Annotated[
    bool, option("Show the version and exit.", "--version", callback=_show_version, is_eager=True)
]
Uri = Annotated[
    str | None,
    option("MongoDB to use. Default: MONGODB_URI, else a local deployment.", metavar="URI"),
]
Database = Annotated[
    str | None, option("Name of the database. Default: leaf.", metavar="NAME", panel=WHERE)
]
Collection = Annotated[
    str | None, option("Name of the collection. Default: chunks.", metavar="NAME")
]
Home = Annotated[
    Path | None,
    option("Folder of the local deployment. Default: LEAF_HOME.", metavar="FOLDER", panel=WHERE),
]


class _Context(typer.Context):
    """The default sub-command goes by the name of its program."""

    @property
    def command_path(self) -> str:
        parent = self.parent
        if parent and getattr(parent.command, "default", None) == self.info_name:
            return parent.command_path
        return super().command_path


class Command(TyperCommand):
    """A command with `-h`, options in groups, and usage errors no longer than a line."""

    context_class = _Context
    values: ClassVar[Mapping[str, Sequence[str]]] = {}  # of options that may stand without one

    def __init__(self, *args: Any, **options: Any) -> None:
        settings = {**_HELP, **(options.pop("context_settings", None) or {})}
        super().__init__(*args, context_settings=settings, **options)

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _short_usage_errors():
            return super().make_context(*args, **options)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        args = [_in_new_spelling(ctx, argument) for argument in args]
        for name, values in self.values.items():
            args = _with_value(ctx, name, values, args)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Typer puts a required argument in braces."""
        return [piece.translate(_NO_BRACES) for piece in super().collect_usage_pieces(ctx)]

    def invoke(self, ctx: Any) -> Any:
        with _short_usage_errors():
            return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_panels(self.get_params(ctx), ctx, formatter)


class SubCommands(TyperGroup):
    """A program with sub-commands, which runs one of them where no name comes first.

    A sub-command is imported when it is called: a search does not wait for what only the doctor
    needs.
    """

    default: ClassVar[str]
    modules: ClassVar[Mapping[str, str]]  # MODULE:APP of each sub-command, in the help's order
    flags: ClassVar[Mapping[str, str]] = {}  # of version 0.1, with the sub-command of today
    argument: ClassVar[str] = "word"  # what a first word is that names no sub-command

    def __init__(self, **options: Any) -> None:
        options["context_settings"] = _HELP
        super().__init__(**options)
        self._loaded: dict[str, Any] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for name in self.modules if name]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.modules:
            return None
        if cmd_name not in self._loaded:
            module, _, name = self.modules[cmd_name].partition(":")
            command = typer.main.get_command(getattr(import_module(module), name))
            command.name = cmd_name
            self._loaded[cmd_name] = command
        return self._loaded[cmd_name]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)  # behind it stand no options
        for flag, name in self.flags.items():
            if flag in args[:end]:
                _say_renamed(ctx, flag, f"{ctx.command_path} {name}")
                args = [name, *(argument for argument in args if argument != flag)]
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if self.starts_default(args, {*self.list_commands(ctx), *own}):
            self._say_if_command_comes_late(ctx, args)
            self._say_if_command_is_misspelt(ctx, args[0] if args else "")
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def starts_default(self, args: Sequence[str], own: set[str]) -> bool:
        """Whether the words are for the default sub-command; `own`: first words that are not."""
        return bool(args) and args[0] not in own

    def _say_if_command_comes_late(self, ctx: Any, args: list[str]) -> None:
        if not args:
            return
        name = args[-1]
        if args[0].startswith("-") and name in self.list_commands(ctx) and not _is_silent(ctx):
            program = ctx.command_path
            taken = f"{name!r} is taken as a {self.argument}"
            say(program, f"{taken}; to run the sub-command, write `{program} {name} ...`")

    def _say_if_command_is_misspelt(self, ctx: Any, word: str) -> None:
        close = get_close_matches(word, self.list_commands(ctx), n=1, cutoff=0.8)
        if close and not _is_silent(ctx) and not Path(word).exists():
            program = ctx.command_path
            say(
                program,
                f"{word!r} is taken as a {self.argument}; did you mean `{program} {close[0]}`?",
            )

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        pieces = " ".join(self._of_default(ctx).collect_usage_pieces(ctx))
        formatter.write_usage(ctx.command_path, pieces)
        formatter.write_usage(ctx.command_path, "COMMAND [OPTIONS] ...", prefix="       ")

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        self._of_default(ctx).format_help_text(ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        options = [p for p in self._of_default(ctx).params if p.param_type_name != "argument"]
        _write_panels(options, ctx, formatter)
        _write_panels(self.get_params(ctx), ctx, formatter, usual="Program")

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Sub-commands, and what the default one completes."""
        theirs = self._of_default(ctx).shell_complete(ctx, incomplete)
        return [*super().shell_complete(ctx, incomplete), *theirs]

    def _of_default(self, ctx: Any) -> Any:
        return self.get_command(ctx, self.default)


def new_app(**settings: Any) -> typer.Typer:
    """An application of Typer's whose help and errors are plain text."""
    return typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, **settings)


def new_program(commands: type[SubCommands]) -> typer.Typer:
    """The application with these sub-commands, `--version` and the shell's completion."""
    app = new_app(cls=commands, no_args_is_help=True)

    @app.callback()
    def program(version: Version = False) -> None:
        pass

    return app


def new_command(
    kind: type[Command] = Command, **settings: Any
) -> tuple[typer.Typer, Callable[[Any], Any]]:
    """A sub-command's application, and the decorator for its function."""
    app = new_app(add_completion=False)
    return app, app.command(cls=kind, **settings)


def _write_panels(
    parameters: Sequence[Any], ctx: Any, formatter: Any, *, usual: str = "Options"
) -> None:
    """The options that matter most, then each group; the usage line names the arguments."""
    panels: dict[str, list[tuple[str, str]]] = {usual: []}
    for parameter in parameters:
        record = parameter.get_help_record(ctx)
        if record and parameter.param_type_name != "argument":
            panel = getattr(parameter, "rich_help_panel", None) or usual
            panels.setdefault(panel, []).append(record)
    for name, records in panels.items():
        if records:
            with formatter.section(name):
                formatter.write_dl(records)


def _in_new_spelling(ctx: Any, argument: str) -> str:
    name, equals, value = argument.partition("=")
    if name not in _RENAMED or _RENAMED[name] not in {
        o for p in ctx.command.params for o in p.opts
    }:
        return argument
    _say_renamed(ctx, name, _RENAMED[name])
    return f"{_RENAMED[name]}{equals}{value}"


def _with_value(ctx: Any, name: str, values: Sequence[str], args: list[str]) -> list[str]:
    """`--name` alone as `--name=VALUE`, of the first value unless the next word is one of them."""
    end = args.index("--") if "--" in args else len(args)
    if name not in args[:end]:
        return args
    at = args.index(name)
    following = args[at + 1 : at + 2]
    if following and following[0] in values:
        return [*args[:at], f"{name}={following[0]}", *args[at + 2 :]]
    if following and not _is_silent(ctx) and " " not in following[0]:
        for close in get_close_matches(following[0], values, n=1, cutoff=0.6):
            program = ctx.find_root().info_name
            say(
                program,
                f"{following[0]!r} is taken as a question; did you mean {name} {close}?",
            )
    return [*args[:at], f"{name}={values[0]}", *args[at + 1 :]]


def _say_renamed(ctx: Any, old: str, new: str) -> None:
    if not _is_silent(ctx):
        program = ctx.find_root().info_name
        say(
            program,
            f"{old} was renamed to `{new}`; this version accepts both, the next one does not",
        )


def _is_silent(ctx: Any) -> bool:
    return bool(ctx.resilient_parsing)


@contextmanager
def _short_usage_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Click's own errors have a message; one of them is the help, which has its lines.
        is_help = type(error).__name__ == "NoArgsIsHelpError"
        if isinstance(message := getattr(error, "message", None), str) and not is_help:
            if getattr(error, "option_name", None) in _OF_THE_MANIFEST:
                message += ". The collection's manifest names its models and storage format"
                error.possibilities = None  # type: ignore[attr-defined]
            error.message = one_line(message)  # type: ignore[attr-defined]
        raise
