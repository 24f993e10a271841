"""The text of a page as Markdown, and what of it is left out."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from leafsearch.ingest.document import Mark, Omission
from leafsearch.ingest.sources.readers.html.article import find_article, keep_article
from leafsearch.ingest.sources.readers.html.clean import clean
from leafsearch.ingest.sources.readers.html.convert import convert
from leafsearch.ingest.sources.readers.html.kind import kind_of
from leafsearch.ingest.sources.readers.html.navigation import Leaving, leave_out_navigation
from leafsearch.ingest.sources.readers.html.region import keep_region
from leafsearch.ingest.sources.readers.html.weights import count_words, weigh

_SHARE = 0.3  # of the words without navigation; a page that is perhaps no article has more


@dataclass(frozen=True)
class Extracted:
    """`words` counts the visible words of the whole page."""

    text: str
    marks: Sequence[Mark]
    omissions: Sequence[Omission]
    words: int


def extract(root: Any) -> Extracted:
    """Changes the tree."""
    kind = kind_of(root)
    article = "" if kind == "documentation" else find_article(root)
    clean(root)
    body = root.find("body")
    body = root if body is None else body
    words = _words(body)
    found = _article(body, article) if article else None
    if found is None or kind == "site":
        whole = _documentation(body)
        if found is None or _words(found[0]) < _SHARE * _words(whole[0]):
            found = whole
    kept, omissions = found
    converted = convert(kept)
    return Extracted(converted.text, converted.marks, omissions, words)


def _words(element: Any) -> int:
    return count_words(" ".join(element.itertext()))


def _article(body: Any, article: str) -> tuple[Any, Sequence[Omission]] | None:
    leaving = Leaving()
    kept = deepcopy(body)
    return (kept, leaving.omissions) if keep_article(kept, article, leaving) else None


def _documentation(body: Any) -> tuple[Any, Sequence[Omission]]:
    leaving = Leaving()
    leave_out_navigation(body, weigh(body), leaving)
    keep_region(body, weigh(body), leaving)
    return body, leaving.omissions
