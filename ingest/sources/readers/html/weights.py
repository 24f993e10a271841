"""What each element holds: letters, linked letters, running text, headings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leafsearch.ingest.sources.readers.html.elements import BLOCKS, HEADINGS

LEAST_RUNNING = 40  # letters without a link in one block: labels of menus are shorter
# A letter of these scripts says about as much as two and a half of an alphabet.
_DENSE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_WORD = re.compile("[\u3040-\u30ff\u3400-\u9fff]|[^\\W_]+")


@dataclass(slots=True)
class Weight:
    """Letters of all text below an element; `flow` are those that continue the line around it."""

    letters: float = 0
    linked: float = 0
    running: float = 0
    heading: float = 0
    links: int = 0
    headings: int = 0
    flow: float = 0

    @property
    def plain(self) -> float:
        """Letters in neither links nor headings."""
        return self.letters - self.linked - self.heading


Weights = Mapping[Any, Weight]


def weigh(root: Any) -> Weights:
    weights: dict[Any, Weight] = {}
    for element in reversed(list(root.iter())):
        tag = element.tag
        found = Weight()
        found.letters = found.flow = _size(element.text)
        for child in element:
            inner = weights[child]
            tail = _size(child.tail)
            found.letters += inner.letters + tail
            found.linked += inner.linked
            found.running += inner.running
            found.heading += inner.heading
            found.links += inner.links
            found.headings += inner.headings
            found.flow += inner.flow + tail
        if tag == "a" and element.get("href") is not None:
            found.heading = 0
            found.linked, found.flow = found.letters, 0
            found.links = 1
        elif tag in HEADINGS:
            found.heading, found.flow = found.letters - found.linked, 0
            found.headings += 1
        elif tag in BLOCKS or tag == "br":
            if found.flow >= LEAST_RUNNING:
                found.running += found.flow
            found.flow = 0
        weights[element] = found
    return weights


def _size(text: str | None) -> float:
    if not text or text.isspace():
        return 0
    text = text.strip()
    return len(text) if text.isascii() else len(text) + 1.5 * len(_DENSE.findall(text))


def count_words(text: str) -> int:
    """Words, and each character of a script that does not divide words."""
    return len(_WORD.findall(text))
