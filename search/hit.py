"""A passage that was found, and where in its source it stands, so that an answer can be cited."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_COUNTED = ("page", "row")


@dataclass(frozen=True)
class Hit:
    """`similarity` is the plain cosine, from -1 to 1; `score` is what hits are ordered by.

    `score` is MongoDB's own number, the fused scores or reciprocal ranks of a hybrid search, or a
    reranker's score. For bits, `similarity` compares the float query with the stored bits, or
    without rescoring the query's bits with them. `context` is the passage with its neighbours,
    if they were requested. `place` tells where in its source the passage stands, with the keys
    that are known: page, last_page, sheet, row, last_row, heading (a trail), anchor, symbol, time,
    lines (the first and the last). Fields that were not requested are empty.
    """

    id: str
    document: str
    position: int
    text: str
    metadata: Mapping[str, Any]
    score: float
    similarity: float
    context: str = ""
    place: Mapping[str, Any] = field(default_factory=dict)


def describe_place(place: Mapping[str, Any], title: str = "") -> str:
    """Such as `page 3, Guide > Install` or `sheet Prices, rows 2-40`; empty if nothing is known.

    A trail leaves out the `title`, which stands beside it.
    """
    parts = []
    if sheet := place.get("sheet"):
        parts.append(f"sheet {sheet}")
    for key in _COUNTED:
        if key in place:
            parts.append(_span(key, place[key], place.get(f"last_{key}", place[key])))
    if time := place.get("time"):
        parts.append(f"at {time}")
    named = str(place.get("symbol") or place.get("heading") or "")
    named = "" if named == title else named.removeprefix(f"{title} > ")
    if named:
        parts.append(named)
    if lines := place.get("lines"):
        parts.append(_span("line", lines[0], lines[-1]))
    return ", ".join(parts)


def join_places(first: Mapping[str, Any], last: Mapping[str, Any]) -> dict[str, Any]:
    """The place of a passage that begins with one chunk and ends with another."""
    place = dict(first)
    for key in _COUNTED:
        end = last.get(f"last_{key}", last.get(key))
        if key in first and end is not None and end != first[key]:
            place[f"last_{key}"] = end
    if "lines" in first and "lines" in last:
        place["lines"] = [first["lines"][0], last["lines"][-1]]
    return place


def _span(one: str, first: object, last: object) -> str:
    return f"{one} {first}" if first == last else f"{one}s {first}-{last}"
