"""The text of a page as Markdown, and what of it is left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from leafsearch.ingest.document import Mark, Omission
from leafsearch.ingest.sources.readers.html.article import article_text
from leafsearch.ingest.sources.readers.html.clean import clean
from leafsearch.ingest.sources.readers.html.convert import convert
from leafsearch.ingest.sources.readers.html.kind import kind_of
from leafsearch.ingest.sources.readers.html.navigation import Leaving, leave_out_navigation
from leafsearch.ingest.sources.readers.html.region import keep_region
from leafsearch.ingest.sources.readers.html.weights import count_words, weigh


@dataclass(frozen=True)
class Extracted:
    """`words` counts the visible words of the whole page."""

    text: str
    marks: Sequence[Mark]
    omissions: Sequence[Omission]
    words: int


def extract(root: Any) -> Extracted:
    """Changes the tree."""
    if kind_of(root) == "article" and (text := article_text(root)):
        return Extracted(text, (), (), count_words(text))
    return extract_documentation(root)


def extract_documentation(root: Any) -> Extracted:
    clean(root)
    body = root.find("body")
    body = root if body is None else body
    words = count_words(" ".join(body.itertext()))
    leaving = Leaving()
    leave_out_navigation(body, weigh(body), leaving)
    keep_region(body, weigh(body), leaving)
    converted = convert(body)
    return Extracted(converted.text, converted.marks, leaving.omissions, words)
