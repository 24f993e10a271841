"""Documents of office programs, and books."""

from leafsearch.ingest.sources.readers.office.book import read_epub
from leafsearch.ingest.sources.readers.office.opendocument import read_odp, read_odt
from leafsearch.ingest.sources.readers.office.rich_text import read_rtf
from leafsearch.ingest.sources.readers.office.slides import read_pptx
from leafsearch.ingest.sources.readers.office.word import read_docx

__all__ = ["read_docx", "read_epub", "read_odp", "read_odt", "read_pptx", "read_rtf"]
