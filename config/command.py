"""What every command does alike: settings, and failures as one line with an exit code."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from leafsearch.config.errors import ConfigError, LeafError
from leafsearch.config.hint import Line, running
from leafsearch.config.settings import Settings, load
from leafsearch.config.text import one_line

FAILED, WRONG_USAGE, SOME_REJECTED, INTERRUPTED = 1, 2, 3, 130


def settings(**options: Any) -> Settings:
    """From options, the process's environment and `.env` in the current folder."""
    dotenv = Path(".env")
    return load(os.environ, dotenv=dotenv if dotenv.is_file() else None, **options)


def say(command: str, text: str) -> None:
    """A line for a person, beside what is printed as the result."""
    print(one_line(f"{command}: {text}"), file=sys.stderr, flush=True)


def say_warnings(command: str) -> None:
    """What is logged as a warning, or worse, from now on."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[_Warnings(command)])


class _Warnings(logging.Handler):
    """Asks for stderr each time, because a moving line puts something of its own there."""

    def __init__(self, command: str) -> None:
        super().__init__()
        self._command = command

    def emit(self, record: logging.LogRecord) -> None:
        say(self._command, self.format(record))


def leave_at_once(end: SystemExit) -> NoReturn:
    """Ends the process without waiting for PyMongo's monitors, which takes up to half a second.

    For commands that have closed what they opened.
    """
    code = end.code if isinstance(end.code, int) else int(end.code is not None)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or FAILED
    os._exit(code)


@contextmanager
def one_line_errors(
    command: str, *more: type[Exception], line: Line | None = None
) -> Iterator[None]:
    """LeafError, OSError and `more` end the process with a line on stderr; others are bugs.

    Hints meanwhile repeat the options of `line`.
    """
    try:
        with running(line or Line(command)):
            yield
    except ConfigError as error:
        for problem in error.problems:
            say(command, problem)
        sys.exit(WRONG_USAGE if error.is_usage else FAILED)
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except Exception as error:
        if not isinstance(error, (LeafError, OSError, *more)):
            raise
        say(command, str(error))
        sys.exit(WRONG_USAGE if getattr(error, "is_usage", False) else FAILED)
    except KeyboardInterrupt:
        say(command, "interrupted")
        sys.exit(INTERRUPTED)
