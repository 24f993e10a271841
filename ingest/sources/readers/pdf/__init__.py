"""PDF files."""

from leafsearch.ingest.sources.readers.pdf.document import read_pdf

__all__ = ["read_pdf"]
