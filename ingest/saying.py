"""Lines for a person, beside what is printed as the result."""

import logging
import sys

from ingest.rejects import Rejects


def say(text: str) -> None:
    print(f"leaf-ingest: {text}", file=sys.stderr)


def say_rejects(rejects: Rejects) -> None:
    """How many records were rejected, and why; nothing if none was."""
    if rejects.count:
        say(f"{rejects.count} records were rejected; see {rejects.path}")
        for reason in rejects.reasons():
            say(f"  {reason}")


def say_warnings() -> None:
    """What is logged as a warning, or worse, from now on: for a command only."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[_Saying()])


class _Saying(logging.Handler):
    """Asks for stderr each time, because a moving line puts something of its own there."""

    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record))
