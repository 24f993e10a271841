"""`leaf-ingest`: an ingest run, or one of its sub-commands."""

from pathlib import Path
from typing import Any, ClassVar

from leafsearch.config.cli import SubCommands, new_program
from leafsearch.config.command import leave_at_once, let_idle_threads_sleep


class LeafIngest(SubCommands):
    # A path may have any name but the empty one.
    default = ""
    argument = "path"
    modules: ClassVar = {
        "": "leafsearch.ingest.cli.command:app",
        "rollback": "leafsearch.ingest.cli.maintenance:rollback_app",
        "retire": "leafsearch.ingest.cli.maintenance:retire_app",
        "repair": "leafsearch.ingest.cli.maintenance:repair_app",
    }
    flags: ClassVar = {f"--{name}": name for name in ("rollback", "retire", "repair")}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse a name that version 0.1 took as a path, since `retire` deletes."""
        if args and args[0] in self.list_commands(ctx) and Path(args[0]).exists():
            ctx.fail(
                f"{args[0]!r} is ambiguous: a sub-command and a path that exists here. "
                f"Give ./{args[0]} for the path, or run the sub-command in another folder"
            )
        return super().parse_args(ctx, args)


app = new_program(LeafIngest)


def main() -> None:
    let_idle_threads_sleep()
    try:
        app()
    except SystemExit as end:
        # A thread may still wait for input, and the driver for its servers.
        leave_at_once(end)
