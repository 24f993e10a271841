"""Styles of a Word document: headings and their level, titles, code, contents, lists."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from leafsearch.ingest.sources.readers.office.package import attribute, child, children

_HEADING = re.compile(r"heading\s*(\d)")
_CODE = re.compile(r"source ?code|preformatted|\bcode\b|verbatim|plain text|listing", re.IGNORECASE)
_CODE_NOT = re.compile(r"char|caption", re.IGNORECASE)
_LONGEST = 30  # styles that a style is based on


@dataclass(frozen=True)
class WordStyle:
    """`level` counts from 1; 0 for what is no heading. `number` is the list and the depth in it."""

    level: int = 0
    is_title: bool = False
    is_code: bool = False
    is_contents: bool = False
    number: tuple[str, int] | None = None
    is_bullet: bool = False
    depth: int = 0


class WordStyles:
    """`root` is the part of the styles, None in a file without styles."""

    def __init__(self, root: Any) -> None:
        styles = children(root, "style") if root is not None else iter(())
        self._by_id = {attribute(style, "styleId"): style for style in styles}
        self._found: dict[str, WordStyle] = {}

    def of(self, paragraph: Any) -> WordStyle:
        """The style of a paragraph, with what the paragraph itself says."""
        properties = child(paragraph, "pPr")
        if properties is None:
            return self._named("")
        named = child(properties, "pStyle")
        style = self._named(attribute(named, "val") if named is not None else "")
        own = _outline(properties)
        if own is None or style.is_title or style.is_contents:
            return style
        return WordStyle(own, number=style.number, is_code=style.is_code)

    def _named(self, id: str) -> WordStyle:
        if id not in self._found:
            self._found[id] = self._resolved(id)
        return self._found[id]

    def _resolved(self, id: str) -> WordStyle:
        name, level, number = "", None, None
        names = []
        for style in self._ancestry(id):
            named = child(style, "name")
            name = (attribute(named, "val") if named is not None else "").lower()
            names.append(name)
            properties = child(style, "pPr")
            if level is None and (heading := _HEADING.match(name)):
                level = int(heading[1])
            if level is None and properties is not None:
                level = _outline(properties)
            if number is None and properties is not None:
                number = number_of(properties)
        if not names:  # a style that the document does not describe
            names.append(id.lower())
            level = int(found[1]) if (found := _HEADING.match(names[0])) else None
        first = names[0]
        bullet = re.match(r"list bullet\s*(\d?)", first)
        return WordStyle(
            level or 0,
            is_title=first == "title",
            is_code=any(_CODE.search(n) and not _CODE_NOT.search(n) for n in names),
            is_contents=bool(re.match(r"(?:toc|contents) \d|table of figures", first)),
            number=number,
            is_bullet=bool(bullet) and number is None,
            depth=int(bullet[1] or 1) - 1 if bullet else _depth(first),
        )

    def _ancestry(self, id: str) -> Iterator[Any]:
        for _ in range(_LONGEST):
            style = self._by_id.get(id)
            if style is None:
                return
            yield style
            based = child(style, "basedOn")
            id = attribute(based, "val") if based is not None else ""


def number_of(properties: Any) -> tuple[str, int] | None:
    """The list and the depth in it that properties of a paragraph or style name."""
    found = child(properties, "numPr")
    if found is None:
        return None
    id, depth = child(found, "numId"), child(found, "ilvl")
    level = attribute(depth, "val") if depth is not None else "0"
    name = attribute(id, "val") if id is not None else ""
    return name, int(level) if level.isdecimal() else 0


def _outline(properties: Any) -> int | None:
    found = child(properties, "outlineLvl")
    level = attribute(found, "val") if found is not None else ""
    return int(level) + 1 if level.isdecimal() and int(level) < 9 else None


def _depth(name: str) -> int:
    found = re.match(r"list (?:number|continue)?\s*(\d)", name)
    return int(found[1]) - 1 if found else 0
