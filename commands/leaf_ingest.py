"""`leaf-ingest`."""

from leafsearch.ingest.command import main

__all__ = ["main"]
