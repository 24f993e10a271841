"""Borders at which a text may be cut: between sentences, paragraphs, list items and rows.

Every text is searched for Markdown, because most text that has any does not say so. Fenced code,
tables and front matter are blocks: one span each, or a span for each line where they are long. A
trail names the headings above a passage: `Guide > Install > Linux`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_LONGEST = 20_000  # characters; a tokenizer may take any blank-free run for one token
_UNDERLINES = {"=": 1, "-": 2}  # and 3 for what only reStructuredText has

# A heading with its line end; after the end of a sentence (with closing quotes), after a blank
# line, before a list item or heading. The number of a list item ends no sentence.
_BORDER = re.compile(
    r"""^\#{1,6}[ \t][^\n]*(?:\n\s*|\Z) | ^[^\n]+\n([-=*~^"])\1{2,}[ \t]*(?:\n\s*|\Z)
    | (?<=[.!?…])(?<!^\d\.)(?<!^\d\d\.)["'”’)\]]*\s+ | (?<=[。！？])\s* | \n\s*\n\s*
    | \n(?=\s*(?:[-*+•]|\d+[.)])\s|\#)""",
    re.VERBOSE | re.MULTILINE,
)
_HEADING = re.compile(
    r"""\s*+(?:(?P<signs>\#{1,6})[ \t]++(?P<atx>[^\n]*+)
    | (?P<setext>[^\n]++)\n(?P<line>[-=*~^"])(?P=line){2,})\s*+\Z""",
    re.VERBOSE,
)
_CLOSING = re.compile(r"(?:^|[ \t])#+$")
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*[|:-][ \t|:-]*$", re.MULTILINE)  # below a table's head
_FRONT = re.compile(r"---[ \t]*\n(?:[^\n]*\n)*?---[ \t]*(?:\n|\Z)")
_BLANK = re.compile(r"\s*")
_BETWEEN = " > "


@dataclass(frozen=True, slots=True)
class Span:
    start: int
    end: int
    is_block: bool = False
    opens: bool = False  # a part of a program, which no chunk shares with the part before


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


def split_spans(text: str) -> Iterator[Span]:
    """Consecutive spans that cover the text, each ending at a border."""
    done = 0
    for block in _blocks(text):
        yield from _sentences(text, done, block.start)
        yield block
        done = block.end
    yield from _sentences(text, done, len(text))


def split_code(text: str, cuts: Sequence[int]) -> Iterator[Span]:
    """Consecutive spans that cover a program, one for each part; `cuts` are the parts' starts, in
    order."""
    starts = [0, *(cut for cut in cuts if 0 < cut < len(text))]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        if end - start <= _LONGEST:
            yield Span(start, end, is_block=True, opens=True)
            continue
        for line in split_lines(text, start, end):
            yield Span(line.start, line.end, opens=line.start == start, is_block=True)


def split_lines(text: str, start: int, end: int) -> Iterator[Span]:
    """The lines of a block that is too long for one span."""
    while start < end:
        stop = text.find("\n", start, end) + 1 or end
        yield from _short(start, stop)
        start = stop


def parse_heading(text: str, start: int, end: int) -> Heading | None:
    """The heading in a span that holds nothing else; else None."""
    found = _HEADING.match(text, start, end)
    if found is None:
        return None
    if found["signs"]:
        said = _CLOSING.sub("", found["atx"].strip())
        return Heading(len(found["signs"]), " ".join(said.split()))
    return Heading(_UNDERLINES.get(found["line"], 3), " ".join(found["setext"].split()))


def _sentences(text: str, start: int, end: int) -> Iterator[Span]:
    for border in _BORDER.finditer(text, start, end):
        stop = border.end()
        if start < stop <= start + _LONGEST:
            yield Span(start, stop)
        else:
            yield from _short(start, stop)
        start = stop
    yield from _short(start, end)


def _short(start: int, end: int) -> Iterator[Span]:
    for begin in range(start, end, _LONGEST):
        yield Span(begin, min(begin + _LONGEST, end))


def _blocks(text: str) -> Iterator[Span]:
    """Blocks in order, without overlap, each with the blanks after it."""
    done = 0
    for start, end in sorted(_found(text)):
        if start >= done:
            done = _BLANK.match(text, end).end()  # type: ignore[union-attr]
            if done - start > _LONGEST:
                yield from (Span(s.start, s.end) for s in split_lines(text, start, done))
            else:
                yield Span(start, done, is_block=True)


def _found(text: str) -> Iterator[tuple[int, int]]:
    if text.startswith("---") and (front := _FRONT.match(text)):
        yield front.span()
    if "```" in text or "~~~" in text:
        yield from _fenced(text)
    if "|" in text:
        yield from _tables(text)


def _fenced(text: str) -> Iterator[tuple[int, int]]:
    """Each fenced block, up to its closing fence; a fence that is never closed is text."""
    opened: re.Match[str] | None = None
    for line in _FENCE.finditer(text):
        if opened is None:
            opened = line
        elif line[1].startswith(opened[1]) and not line[2].strip():
            yield opened.start(), line.end()
            opened = None


def _tables(text: str) -> Iterator[tuple[int, int]]:
    """The line above a rule, and all lines below it that have a `|`."""
    done = 1
    for rule in _RULE.finditer(text):
        if rule.start() < done or "|" not in rule[0] or "-" not in rule[0]:
            continue
        start = text.rfind("\n", 0, rule.start() - 1) + 1
        if "|" in text[start : rule.start()]:
            done = _table_end(text, rule.end())
            yield start, done


def _table_end(text: str, end: int) -> int:
    while end < len(text):
        stop = text.find("\n", end + 1)
        stop = len(text) if stop < 0 else stop
        if "|" not in text[end:stop]:
            break
        end = stop
    return end


def heading_trails(headings: Sequence[Heading | None]) -> list[tuple[str, ...]]:
    """The headings above each piece; a heading is not part of its own trail."""
    above: list[Heading] = []
    found: list[tuple[str, ...]] = []
    names: tuple[str, ...] = ()
    for heading in headings:
        if heading is not None:
            above = [other for other in above if other.level < heading.level]
            names = tuple(other.text for other in above)
        found.append(names)
        if heading is not None and heading.text:
            above.append(heading)
            names = (*names, heading.text)
    return found


def fit_trail(names: tuple[str, ...], count: Callable[[str], int], most: int) -> tuple[str, int]:
    """The trail and its number of tokens; a trail that is too long keeps its inner headings."""
    for first in range(len(names)):
        trail = _BETWEEN.join(names[first:])
        if (tokens := count(trail)) <= most:
            return trail, tokens
    return "", 0


def begins_with(trail: str, title: str) -> bool:
    """Whether the outermost heading is the title."""
    return trail == title or trail.startswith(f"{title}{_BETWEEN}")
