"""Turns a query into hits: retrieves candidates by vector and text, ranks them, adds passages."""

from leafsearch.search.retrieval.retrieve import candidates_for

__all__ = ["candidates_for"]
