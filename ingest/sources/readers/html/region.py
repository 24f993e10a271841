"""The region of a page that holds its text, and the bars of links around a page without one."""

import re
from collections.abc import Sequence
from typing import Any

from leafsearch.ingest.sources.readers.html.elements import HEADINGS
from leafsearch.ingest.sources.readers.html.navigation import Leaving
from leafsearch.ingest.sources.readers.html.weights import Weight, Weights

_SHARE = 0.5  # of a page's running text
_LONGEST_BAR = 300  # letters
_LEAST = 200  # letters of running text; a page with less is an index
_CREDITS = re.compile(
    r"(?:generated|created|built|powered|produced|converted|formatted|rendered|made) "
    r"(?:\w+ ){0,6}(?:by|with|using|from|on)\b",
    re.IGNORECASE,
)


def keep_region(body: Any, weights: Weights, leaving: Leaving) -> None:
    """Leave out what stands outside the main part, or bars of links at both ends of the page."""
    region = _region(body, weights)
    if region is body:
        _trim(body, weights, leaving)
        return
    title = _title_outside(body, region)
    inner = region
    for around in list(region.iterancestors()):
        for child in list(around):
            if child is not inner and not _holds(child, title):
                leaving.leave_out(child, "outside the main part")
        if around is body:
            break
        inner = around


def _region(body: Any, weights: Weights) -> Any:
    """`main`, or the only article, if it holds most of the page's running text; else the body."""
    whole = _weight_now(body, weights)
    for marked in (
        body.xpath(".//main"),
        body.xpath(".//*[@role='main']"),
        body.xpath(".//article[not(ancestor::article)]"),
    ):
        if len(marked) == 1 and _weight_now(marked[0], weights) >= _SHARE * whole > 0:
            return _inner(marked[0], weights)
    return body


def _inner(region: Any, weights: Weights) -> Any:
    """A single article within it, without the sidebars of `main`."""
    articles = region.xpath(".//article[not(ancestor::article)]")
    if len(articles) != 1:
        return region
    share = _weight_now(articles[0], weights) / (_weight_now(region, weights) or 1)
    return articles[0] if share >= 0.9 else region


def _weight_now(element: Any, weights: Weights) -> float:
    """Running text that is still there, headings and labels included at a tenth."""
    blocks = element.iter("p", "li", "pre", "dd", "td", "h1", "h2", "h3")
    letters = sum(weights[block].letters for block in blocks)
    return weights[element].running + letters / 10


def _title_outside(body: Any, region: Any) -> Any:
    """The page's h1 where the region has none."""
    if next(region.iter("h1"), None) is not None:
        return None
    titles = [t for t in body.iter("h1") if "".join(t.itertext()).strip()]
    return titles[0] if len(titles) == 1 else None


def _holds(element: Any, title: Any) -> bool:
    return title is not None and (element is title or any(e is title for e in element.iter("h1")))


def _trim(body: Any, weights: Weights, leaving: Leaving) -> None:
    _leave_out_lines_of_links(body, leaving)
    _leave_out_credits(body, leaving)
    whole = weights[body]
    if whole.linked > 0.5 * whole.letters or whole.running < _LEAST:
        return  # an index: its links are its text
    blocks = list(_blocks(body, weights))
    for block in blocks:
        if not _is_bar(block, weights[block], max(_LONGEST_BAR, 0.5 * whole.running)):
            break
        leaving.leave_out(block, "links before the text")
    for block in reversed(blocks):
        if not _is_bar(block, weights[block]):
            break
        if block.tag in ("ul", "ol", "dl") and not _follows_rule(block):
            break
        leaving.leave_out(block, "links after the text")


def _blocks(body: Any, weights: Weights) -> Any:
    """The outermost parts that the page is made of, through elements that only wrap others."""
    children = [child for child in body if weights[child].letters]
    while len(children) == 1 and children[0].tag in ("div", "center", "form", "section", "article"):
        if (children[0].text or "").strip():
            break
        children = [child for child in children[0] if weights[child].letters]
    return children


def _is_bar(block: Any, weight: Weight, longest: float = _LONGEST_BAR) -> bool:
    return (
        weight.links >= 2
        and weight.headings == 0
        and weight.running == 0
        and block.tag not in HEADINGS
        and weight.letters <= longest
        and weight.linked >= 0.7 * weight.letters
        and not (block.tail or "").strip()
    )


def _follows_rule(block: Any) -> bool:
    before = block.getprevious()
    return before is not None and before.tag == "hr"


def _leave_out_lines_of_links(body: Any, leaving: Leaving) -> None:
    """Links alone on a line, right before a rule: "Index", "Return to Main Contents"."""
    for rule in list(body.iterchildren("hr")):
        line = []
        before = rule.getprevious()
        while before is not None and before.tag == "a" and not (before.tail or "").strip():
            line.append(before)
            before = before.getprevious()
        if len(line) >= 2 and before is not None and before.tag == "br" and not before.tail:
            for link in reversed(line):
                leaving.leave_out(link, "line of links")


def _leave_out_credits(body: Any, leaving: Leaving) -> None:
    """What stands behind the last rule of a page, if it only says which program made it."""
    rules = list(body.iterchildren("hr"))
    if not rules:
        return
    after = list(rules[-1].itersiblings())
    text = " ".join([(rules[-1].tail or "").strip(), *_texts(after)])
    if len(text) <= _LONGEST_BAR and _CREDITS.search(text):
        part = body.makeelement("div")
        part.text, rules[-1].tail = rules[-1].tail, None
        body.append(part)
        for element in after:
            part.append(element)
        leaving.leave_out(part, "footer")
        body.remove(part)


def _texts(elements: Sequence[Any]) -> list[str]:
    return [
        text for e in elements for part in (*e.itertext(), e.tail or "") if (text := part.strip())
    ]
