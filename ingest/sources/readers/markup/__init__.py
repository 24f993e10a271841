"""Text with marks: reStructuredText, AsciiDoc, LaTeX, notebooks, subtitles; and how Markdown is
written."""

from leafsearch.ingest.sources.readers.markup.asciidoc import read_asciidoc
from leafsearch.ingest.sources.readers.markup.latex import read_latex
from leafsearch.ingest.sources.readers.markup.notebook import read_notebook
from leafsearch.ingest.sources.readers.markup.restructured import read_rst
from leafsearch.ingest.sources.readers.markup.subtitles import read_subtitles

__all__ = ["read_asciidoc", "read_latex", "read_notebook", "read_rst", "read_subtitles"]
