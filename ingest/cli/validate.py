"""Which options go together: wrong usage is told, with exit code 2, before anything else."""

from typing import Any

import typer

_VERBS = ("rollback", "retire", "repair")
_WITH_VERBS = ("uri", "database", "collection", "home", "wait", "as_json")
_WITH_REPAIR = ("all_", "patience", "rejects")


def demand_usage(context: typer.Context) -> None:
    """Raises typer.BadParameter."""
    given = {p.name: p for p in context.command.params if _is_given(context, p)}
    verbs = [f"--{name}" for name in _VERBS if name in given]
    if len(verbs) > 1:
        raise typer.BadParameter(f"{' and '.join(verbs)} are two commands: give one")
    if verbs:
        names = [*_WITH_VERBS, *(_WITH_REPAIR if "repair" in given else ())]
        if strangers := [_shown(p) for n, p in given.items() if n not in (*_VERBS, *names)]:
            shown = ", ".join(f"--{name.replace('as_', '').rstrip('_')}" for name in names)
            raise typer.BadParameter(
                f"{verbs[0]} takes no {', '.join(strangers)}; expected none but {shown}"
            )
    elif "paths" not in given:
        raise typer.BadParameter("no PATH was given; expected a file, a folder, or - for stdin")
    elif "all_" in given:
        raise typer.BadParameter("--all is for --repair: it encodes all stored texts again")
    elif "yes" in given and not {"rebuild", "prune"} & set(given):
        raise typer.BadParameter(
            "--yes is for --rebuild and --prune: they go on even if documents would be lost"
        )


def _is_given(context: typer.Context, parameter: Any) -> bool:
    source = context.get_parameter_source(parameter.name)
    return source is not None and source.name == "COMMANDLINE"


def _shown(parameter: Any) -> str:
    return "PATH" if parameter.name == "paths" else str(parameter.opts[0])
