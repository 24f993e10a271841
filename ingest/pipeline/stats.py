"""Counts of what a run has done so far, kept by several threads."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from threading import Lock


@dataclass
class Summary:
    """`unchanged` counts chunks that were stored already; `updated` counts chunks with new
    metadata.

    `removed` counts stored chunks that are gone from their document, and chunks of the `pruned`
    documents, which are gone from their source. `tokens` are the teacher's, of encoded chunks.
    `unknown` counts encoded chunks of whose tokens the teacher does not know more than half.
    `repeated` counts the `rejected` records whose id was met before in the run. `planned` counts
    the chunks of all documents that were looked at, written or not. `trimmed` documents left out
    more than 5 % of their visible words; `noted` ones have notes for the user.
    """

    documents: int = 0
    chunks: int = 0
    encoded: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    pruned: int = 0
    rejected: int = 0
    repeated: int = 0
    tokens: int = 0
    unknown: int = 0
    planned: int = 0
    trimmed: int = 0
    noted: int = 0
    seconds: float = 0.0
    last_written: str | None = None

    def add(self, other: "Summary") -> None:
        for each in fields(Summary):
            a, b = getattr(self, each.name), getattr(other, each.name)
            numbers = isinstance(a, int | float) and isinstance(b, int | float)
            setattr(self, each.name, a + b if numbers else b or a)

    def added(self, other: "Summary") -> "Summary":
        total = replace(self)
        total.add(other)
        return total

    def with_pass(self, other: "Summary") -> "Summary":
        """Add another pass over documents that are counted already."""
        return self.added(replace(other, documents=0, chunks=0, unchanged=0))


OnProgress = Callable[[Summary], None]


class Tally:
    """Calls `on_progress` with the summary after each change."""

    def __init__(self, on_progress: OnProgress = lambda summary: None) -> None:
        self.summary = Summary()
        self._on_progress = on_progress
        self._lock = Lock()

    def add(self, **counts: int) -> None:
        with self._lock:
            for name, count in counts.items():
                setattr(self.summary, name, getattr(self.summary, name) + count)
            self._on_progress(self.summary)
