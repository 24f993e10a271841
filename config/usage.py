"""Usage errors of the commands, apart from others: a program that imports us needs no Typer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from typer.core import TyperCommand

from leafsearch.config.text import one_line


class Command(TyperCommand):
    """A command whose usage errors quote no more than a line holds, and that takes `-h`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        settings = {
            "help_option_names": ["-h", "--help"],
            **(options.pop("context_settings", None) or {}),
        }
        super().__init__(*args, context_settings=settings, **options)

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _short_usage_errors():
            return super().make_context(*args, **options)

    def invoke(self, context: Any) -> Any:
        with _short_usage_errors():
            return super().invoke(context)


@contextmanager
def _short_usage_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(message := getattr(error, "message", None), str):  # click's own
            error.message = one_line(message)  # type: ignore[attr-defined]
        raise
