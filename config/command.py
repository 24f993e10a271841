"""What all commands share: settings, lines for people, errors as one line with an exit code."""

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
    """Read options, the environment of the process, and `.env` in the current folder."""
    dotenv = Path(".env")
    return load(os.environ, dotenv=dotenv if dotenv.is_file() else None, **options)


def say(command: str, text: str) -> None:
    """Print a line for a person to stderr; stdout carries the result."""
    print(one_line(f"{command}: {text}"), file=sys.stderr, flush=True)


def say_warnings(command: str) -> None:
    """Print every log record of level WARNING or above from here on."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[_Warnings(command)])


class _Warnings(logging.Handler):
    """Look up stderr for each record, because a progress line replaces it."""

    def __init__(self, command: str) -> None:
        super().__init__()
        self._command = command

    def emit(self, record: logging.LogRecord) -> None:
        say(self._command, self.format(record))


def leave_at_once(end: SystemExit) -> NoReturn:
    """End the process without waiting for PyMongo's monitors, which takes up to half a second.

    For commands that have closed what they opened.
    """
    code = end.code if isinstance(end.code, int) else int(end.code is not None)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or FAILED
    os._exit(code)


def let_idle_threads_sleep() -> None:
    """Call before torch is imported: its threads then sleep while they wait for each other.

    They spin otherwise, which made an ingest on a busy machine five times as slow.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def one_line_errors(
    command: str, *more: type[Exception], line: Line | None = None, resumes: bool = False
) -> Iterator[None]:
    """End the process with a line on stderr on LeafError, OSError or `more`; others are bugs.

    Hints meanwhile repeat the options of `line`. `resumes`: the same command does the rest.
    """
    try:
        with running(line or Line(command)):
            yield
    except ConfigError as error:
        for problem in error.problems:
            say(command, problem)
        sys.exit(WRONG_USAGE if error.is_usage else FAILED)
    except BrokenPipeError:
        # The reader of our output has closed the pipe; keep the interpreter quiet at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except Exception as error:
        if not isinstance(error, (LeafError, OSError, *more)):
            raise
        say(command, str(error))
        sys.exit(WRONG_USAGE if getattr(error, "is_usage", False) else FAILED)
    except KeyboardInterrupt:
        say(command, "interrupted; run it again to do the rest" if resumes else "interrupted")
        sys.exit(INTERRUPTED)
