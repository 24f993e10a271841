"""`leaf-ingest`."""

from leafsearch.ingest.cli.command import main

__all__ = ["main"]
