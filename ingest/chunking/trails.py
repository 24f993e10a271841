"""The headings that a passage stands under, as they go before it: `Guide > Install > Linux`."""

from collections.abc import Callable, Sequence

from leafsearch.ingest.chunking.borders import Heading

_BETWEEN = " > "


def trails(headings: Sequence[Heading | None]) -> list[tuple[str, ...]]:
    """For each piece what stands above it; a heading does not stand under itself."""
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


def shown(names: tuple[str, ...], count: Callable[[str], int], most: int) -> tuple[str, int]:
    """The trail and its tokens; of one that is too long the inner headings."""
    for first in range(len(names)):
        trail = _BETWEEN.join(names[first:])
        if (tokens := count(trail)) <= most:
            return trail, tokens
    return "", 0


def begins_with(trail: str, title: str) -> bool:
    """Whether the outermost heading is the title."""
    return trail == title or trail.startswith(f"{title}{_BETWEEN}")
