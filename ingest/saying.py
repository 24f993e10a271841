"""Lines for a person, beside what is printed as the result."""

from functools import partial

from config import command

say = partial(command.say, "leaf-ingest")
