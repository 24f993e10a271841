"""HTML pages."""

from leafsearch.ingest.sources.readers.html.page import read_html

__all__ = ["read_html"]
