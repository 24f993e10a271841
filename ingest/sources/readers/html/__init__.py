"""HTML pages, and pieces of HTML in other formats."""

from leafsearch.ingest.sources.readers.html.page import read_html, to_markdown

__all__ = ["read_html", "to_markdown"]
