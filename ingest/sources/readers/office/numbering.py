"""Numbers of lists and headings in Word documents, counted as Word shows them."""

import re
from dataclasses import dataclass
from typing import Any

from leafsearch.ingest.sources.readers.office.package import (
    attribute,
    child,
    children,
)
from leafsearch.ingest.sources.readers.office.styles import WordStyle, number_of

_LEVEL = re.compile(r"%(\d)")
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"))
_ROMAN_LOW = ((40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))


@dataclass(frozen=True)
class Label:
    """What stands before a list item: a number such as `2.` or `(b)`, or a bullet."""

    text: str
    depth: int
    is_bullet: bool = False


@dataclass(frozen=True)
class _Level:
    form: str
    pattern: str
    start: int


class Numbering:
    """`root` is the part of the numbering, None in a file without one. Labels are asked for in the
    order of the document."""

    def __init__(self, root: Any) -> None:
        parts = list(root) if root is not None else []
        abstract = {attribute(p, "abstractNumId"): p for p in parts if len(p)}
        self._levels: dict[str, dict[int, _Level]] = {}
        self._counts: dict[str, dict[int, int]] = {}
        self._shared: dict[str, str] = {}
        for number in children(root, "num") if root is not None else ():
            id = attribute(number, "numId")
            named = child(number, "abstractNumId")
            shared = attribute(named, "val") if named is not None else ""
            overridden = any(
                child(o, "startOverride") is not None for o in children(number, "lvlOverride")
            )
            self._shared[id] = id if overridden else f"abstract {shared}"
            self._levels[id] = _levels(abstract.get(shared))

    def label(self, paragraph: Any, style: WordStyle) -> Label | None:
        """None for a paragraph that is in no list."""
        properties = child(paragraph, "pPr")
        own = number_of(properties) if properties is not None else None
        id, depth = own or style.number or ("", 0)
        if not id and own and style.number:  # the paragraph says only how deep it is
            id = style.number[0]
        if id == "0" or not id:
            return Label("-", style.depth, is_bullet=True) if style.is_bullet and not own else None
        level = self._levels.get(id, {}).get(depth)
        if level is None or level.form == "bullet":
            return Label("-", depth or style.depth, is_bullet=True)
        self._count(self._shared[id], depth, self._levels[id])
        shown = self._shown(id, level)
        return Label(shown, depth or style.depth) if shown else None

    def _count(self, shared: str, depth: int, levels: dict[int, _Level]) -> None:
        counts = self._counts.setdefault(shared, {})
        counts[depth] = counts.get(depth, levels[depth].start - 1) + 1
        for deeper in [other for other in counts if other > depth]:
            del counts[deeper]

    def _shown(self, id: str, level: _Level) -> str:
        counts, levels = self._counts[self._shared[id]], self._levels[id]

        def number(found: re.Match[str]) -> str:
            depth = int(found[1]) - 1
            there = levels.get(depth)
            return _formatted(counts.get(depth, there.start if there else 1), there)

        return _LEVEL.sub(number, level.pattern).strip()


def _levels(abstract: Any) -> dict[int, _Level]:
    found = {}
    for level in children(abstract, "lvl") if abstract is not None else ():
        said = {name: child(level, name) for name in ("numFmt", "lvlText", "start")}
        values = {n: attribute(e, "val") if e is not None else "" for n, e in said.items()}
        depth, start = attribute(level, "ilvl"), values["start"]
        if depth.isdecimal():
            found[int(depth)] = _Level(
                values["numFmt"] or "decimal",
                values["lvlText"],
                int(start) if start.isdecimal() else 1,
            )
    return found


def _formatted(number: int, level: _Level | None) -> str:
    form = level.form if level else "decimal"
    if form == "none":
        return ""
    if form in ("lowerLetter", "upperLetter") and number > 0:
        letter = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letter.upper() if form == "upperLetter" else letter
    if form in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        roman = ""
        for value, sign in (*_ROMAN, *_ROMAN_LOW):
            roman += sign * (number // value)
            number %= value
        return roman.upper() if form == "upperRoman" else roman
    return f"{number:02}" if form == "decimalZero" else str(number)
