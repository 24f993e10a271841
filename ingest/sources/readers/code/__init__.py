"""Source code, cut along its functions and types."""

from leafsearch.ingest.sources.readers.code.source import read_code

__all__ = ["read_code"]
