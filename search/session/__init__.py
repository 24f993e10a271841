"""An open collection that searches share, and searches as sans-I/O steps."""

from leafsearch.search.session.io import perform
from leafsearch.search.session.open import OpenCollection, load_for, open_collection
from leafsearch.search.session.session import Session

__all__ = ["OpenCollection", "Session", "load_for", "open_collection", "perform"]
