"""What a user has to know about documents that were read: what was left out of them, and notes."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from leafsearch.config.text import counted, one_line, shorten
from leafsearch.ingest.document import Document

MOST_LEFT_OUT = 0.05  # of a document's visible words, before it is reported
_NAMED = 3  # documents in the line about what was left out
_SHOWN = 10  # notes with a line of their own
_LONGEST = 200  # characters


def share_left_out(document: Document) -> float:
    """The share of the visible words of its source that a document leaves out, 0 to 1."""
    return document.words_left_out / document.words if document.words else 0.0


@dataclass
class Remarks:
    """Counts, with the first examples: `trimmed` documents left out more than 5 % of their words,
    `noted` ones have notes."""

    trimmed: int = 0
    noted: int = 0
    _worst: list[tuple[float, str]] = field(default_factory=list)
    _notes: list[str] = field(default_factory=list)

    def add(self, document: Document) -> None:
        share = share_left_out(document)
        if share > MOST_LEFT_OUT:
            self.trimmed += 1
            self._worst = sorted([*self._worst, (share, str(document.place))], reverse=True)[
                :_NAMED
            ]
        if document.notes:
            self.noted += 1
            room = _SHOWN - len(self._notes)
            self._notes += [f"{document.place}: {note}" for note in document.notes[:room]]

    def lines(self) -> Iterator[str]:
        """Lines for a person, the notes first."""
        for note in self._notes:
            yield _short(note)
        if self._notes and self.noted > len(self._notes):
            yield f"{counted(self.noted, 'document has', 'documents have')} such notes in all"
        if self.trimmed:
            named = ", ".join(f"{_short(name)} {share:.0%}" for share, name in self._worst)
            yield (
                f"{counted(self.trimmed, 'document')} left out more than {MOST_LEFT_OUT:.0%} of "
                f"the visible words as navigation and the like (most: {named}); "
                "leaf-ingest --explain FILE shows what and why"
            )


def _short(text: str) -> str:
    return shorten(one_line(text), _LONGEST)
