"""The text of an article of the web: what trafilatura finds in a page."""

import logging
from typing import Any


def article_text(root: Any) -> str:
    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    found = trafilatura.extract(
        root,
        output_format="markdown",
        include_comments=False,
        include_tables=True,
        favor_precision=True,
        with_metadata=False,
    )
    return found or ""
