"""Headings of a PDF: the lines of a page that its outline names."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

_DEEPEST = 6  # levels that Markdown knows
_MOST_ITEMS = 20_000
_NUMBERING = "0123456789. \t"
_WRAPPED = 3  # lines that a heading may take

Outline = Mapping[int, Sequence[tuple[int, str]]]


def read_outline(pdf: Any) -> Outline:
    """Level (1 is the highest) and title of the items of each page, which counts from 0."""
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for number, item in enumerate(pdf.get_toc(max_depth=_DEEPEST)):
        if number == _MOST_ITEMS:
            break
        destination = item.get_dest()
        page = destination.get_index() if destination else None
        title = " ".join((item.get_title() or "").split())
        if page is not None and title:
            found[page].append((item.level + 1, title))
    return found


def mark_headings(lines: list[str], titles: Sequence[tuple[int, str]]) -> None:
    """Write the lines that these titles name as Markdown headings."""
    start = 0
    for level, title in titles:
        wanted = _plain(title)
        for at in range(start, len(lines)):
            end = _end_of_heading(lines, at, wanted)
            if end:
                text = " ".join(line.strip() for line in lines[at:end])
                lines[at:end] = [f"{'#' * level} {text}", *[""] * (end - at - 1)]
                start = end
                break


def _end_of_heading(lines: Sequence[str], at: int, wanted: str) -> int:
    """The line after a heading that begins here; 0 if none does."""
    joined = ""
    for end in range(at, min(at + _WRAPPED, len(lines))):
        if lines[end].startswith(("#", "|")):
            return 0
        joined += lines[end]
        plain = _plain(joined)
        if wanted and plain == wanted:
            return end + 1
        if len(plain) > len(wanted):
            return 0
    return 0


def _plain(text: str) -> str:
    """Without numbering, blanks and capitals."""
    return "".join(text.lstrip(_NUMBERING).split()).casefold().strip(".:")
