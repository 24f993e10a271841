"""Lines for a person, beside what is printed as the result."""

from functools import partial

from leafsearch.config import command
from leafsearch.config.text import counted
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.pipeline.remarks import Remarks

say = partial(command.say, "leaf-ingest")


def say_rejects(rejects: Rejects) -> None:
    """How many records were rejected, and why; nothing if none was."""
    if rejects.count:
        say(f"{counted(rejects.count, 'record was', 'records were')} rejected; see {rejects.path}")
        for reason in rejects.reasons():
            say(f"  {reason}")


def say_remarks(remarks: Remarks) -> None:
    """Print what the documents of a run left out, and their notes."""
    for line in remarks.lines():
        say(line)
