"""LaTeX as Markdown, read by pylatexenc: sections as headings, formulas as they are written.

Comments and the preamble are left out; an unknown command keeps its arguments, an unknown
environment its content, and a command that the document defines is replaced by its definition.
Files that are included are named, not read.
"""

from typing import BinaryIO

from leafsearch.ingest.document import Place, Records, Rejected
from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.markup.latex_source import LatexSource
from leafsearch.ingest.sources.readers.markup.latex_walk import LatexWalk
from leafsearch.ingest.sources.readers.text import Whole, decode, read_limited


def read_latex(stream: BinaryIO, whole: Whole) -> Records:
    """The title is the document's, or its first heading."""
    try:
        raw = read_limited(stream)
        if not raw.strip():
            raise UnusableRecord("empty file")
        source = LatexSource.of(_decoded(raw))
        walk = LatexWalk(source)
        try:
            walk.read()
        except RecursionError as error:
            raise UnusableRecord("nested too deep") from error
        if not walk.out.text.strip():
            raise UnusableRecord("no text in this LaTeX file; commands and comments are left out")
        yield whole.document(walk.out.text, walk.out.title, notes=walk.out.notes)
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))


def _decoded(raw: bytes) -> str:
    """UTF-8, or Latin-1 where the file declares it, as older ones do."""
    head = raw[:10_000]
    for name, charset in ((b"latin1", "cp1252"), (b"latin9", "iso8859-15"), (b"cp1252", "cp1252")):
        if b"[" + name + b"]{inputenc}" in head:
            return decode(raw, charset)
    return decode(raw)
