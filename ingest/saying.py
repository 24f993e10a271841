"""Lines for a person, beside what is printed as the result."""

import sys


def say(text: str) -> None:
    print(f"leaf-ingest: {text}", file=sys.stderr)
