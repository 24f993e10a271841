"""The blocks of an article of the web, without what surrounds and interrupts it.

trafilatura finds the text of the article; it decides where the article begins and ends. The blocks
themselves are taken from the page, so that headings, tables and lists keep their form, and blocks
inside the article that trafilatura has missed are kept if they read like the rest.
"""

import logging
import re
from bisect import bisect_left
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from leafsearch.ingest.sources.readers.html.elements import BLOCKS, HEADINGS, names
from leafsearch.ingest.sources.readers.html.navigation import Leaving
from leafsearch.ingest.sources.readers.html.weights import LEAST_RUNNING, Weights, weigh

_ASIDE = re.compile(
    r"figure|caption|credit|aside|related|promo|newsletter|byline|author|\bbio|share|social|summary"
    r"|meta",
    re.IGNORECASE,
)
_SIGNS = re.compile(r"[\W_]+")
_DOUBTFUL = 2000  # characters; a shorter article is compared with a wider one
_DROPPED = 0.35  # of the wider one; precision that keeps less has failed
_LONGEST_LINKS = 200  # letters
_LONGEST_CALL = 400
_CALLS = re.compile(
    r"\b(?:newsletters?|subscri(?:be|ption)|sign up|inbox|have a tip|all rights reserved"
    r"|filed under|you (?:may|might) also (?:like|enjoy)|most read|read (?:more|next)"
    r"|related (?:articles|stories|news|posts)|more (?:from|on this)|follow .{1,60} on"
    r"|listen to|tell us what you think|abonnieren|anmelden|s'abonner|suscr[ií]b|iscriviti"
    r"|inscreva)\b|©|^copyright\b",
    re.IGNORECASE,
)
_OUTSIDE = "not part of the article"
_CELLS = names("td th dt dd")
_STRUCTURE = names("table thead tbody tfoot tr ul ol dl pre html")


@dataclass
class Block:
    """A paragraph, heading, item or cell: an element that holds no other block."""

    element: Any
    letters: str
    linked: float  # share of its letters
    plain: float  # letters outside links
    keeps: bool = False
    reason: str = _OUTSIDE

    @property
    def is_heading(self) -> bool:
        return self.element.tag in HEADINGS


def keep_article(body: Any, article: str, leaving: Leaving) -> bool:
    """Leave out all blocks but those of the article; False if the page has none."""
    _wrap_lines(body)
    blocks = list(_blocks(body, weigh(body)))
    _compare(blocks, article)
    kept = [number for number, block in enumerate(blocks) if block.keeps]
    if not kept:
        return False
    _fill(blocks, kept[0], kept[-1])
    _drop_interruptions(blocks)
    _leave_out(body, blocks, leaving)
    return True


def find_article(root: Any) -> str:
    """Its text as trafilatura finds it; empty if the page shows none."""
    import trafilatura

    # The reason of a reject says what trafilatura would log.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)

    extract = partial(trafilatura.extract, root, include_comments=False)
    article = extract(favor_precision=True) or ""
    if len(article) >= _DOUBTFUL:
        return article
    # Precision sometimes keeps one paragraph of many.
    wider = extract(favor_recall=True, fast=True) or ""
    return wider if len(article) < _DROPPED * len(wider) else article


def _wrap_lines(body: Any) -> None:
    """Make a block of each run of text that stands beside blocks."""
    holders = _holders(body)
    for holder in holders:
        if holder.tag in _STRUCTURE:
            continue
        run: list[Any] = []
        text, after = holder.text or "", None
        holder.text = None
        for child in list(holder):
            if child.tag in BLOCKS or child in holders:
                _wrap(holder, after, text, run)
                run, text, after = [], child.tail or "", child
                child.tail = None
            else:
                run.append(child)
        _wrap(holder, after, text, run)


def _wrap(holder: Any, after: Any, text: str, run: Sequence[Any]) -> None:
    parts = (part for element in run for part in (*element.itertext(), element.tail or ""))
    if not text.strip() and not any(part.strip() for part in parts):
        return
    block = holder.makeelement("div")
    block.text = text
    if after is None:
        holder.insert(0, block)
    else:
        after.addnext(block)
    for element in run:
        block.append(element)


def _holders(body: Any) -> dict[Any, None]:
    """Elements that hold blocks."""
    holders: dict[Any, None] = {}
    for block in body.iter(*BLOCKS):
        around = block.getparent() if block is not body else None
        while around is not None and around not in holders:
            holders[around] = None
            around = around.getparent() if around is not body else None
    return holders


def _blocks(body: Any, weights: Weights) -> Iterator[Block]:
    holders = _holders(body)
    for element in body.iter(*BLOCKS):
        if element in holders:
            continue
        if letters := _letters("".join(element.itertext())):
            weight = weights[element]
            linked = weight.linked / weight.letters if weight.letters else 0
            yield Block(element, letters, linked, weight.letters - weight.linked)


def _letters(text: str) -> str:
    return _SIGNS.sub("", text).casefold()


def _compare(blocks: Sequence[Block], article: str) -> None:
    """Mark the blocks that the article has, in its order.

    Long blocks show where in the article the page is; short ones count only between those.
    """
    whole = _letters(article)
    found = [
        (whole.find(block.letters), number)
        for number, block in enumerate(blocks)
        if len(block.letters) >= LEAST_RUNNING
    ]
    firm = _increasing([(at, number) for at, number in found if at >= 0])
    if not firm:
        firm = [(at, n) for n, b in enumerate(blocks) if (at := whole.find(b.letters)) >= 0][:1]
    for (at, number), (end, following) in pairwise([*firm, (len(whole), len(blocks))]):
        blocks[number].keeps = True
        start = at + len(blocks[number].letters)
        for block in blocks[number + 1 : following]:
            if (place := whole.find(block.letters, start, end)) >= 0:
                block.keeps = True
                start = place + len(block.letters)
    end, first = firm[0] if firm else (0, 0)
    for block in reversed(blocks[:first]):  # what comes before, such as the headline
        if (place := whole.rfind(block.letters, 0, end)) >= 0:
            block.keeps = True
            end = place


def _increasing(found: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """The longest part in which both numbers grow; the first one of equals."""
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for index, (at, _) in enumerate(found):
        place = bisect_left(tails, at)
        before.append(ends[place - 1] if place else -1)
        if place == len(tails):
            tails.append(at)
            ends.append(index)
        else:
            tails[place], ends[place] = at, index
    chosen = []
    index = ends[-1] if ends else -1
    while index >= 0:
        chosen.append(found[index])
        index = before[index]
    return chosen[::-1]


def _fill(blocks: Sequence[Block], first: int, last: int) -> None:
    """Keep what reads like the article between its parts, and the headings above them."""
    near = {b.element.getparent() for b in blocks if b.keeps and b.plain >= LEAST_RUNNING}
    for number in range(last, first, -1):
        block = blocks[number]
        if block.keeps or block.linked > 0.3:
            continue
        element = block.element
        if block.is_heading:
            block.keeps = blocks[number + 1].keeps and element.getparent() in near
        elif element.tag in _CELLS:
            block.keeps = _is_beside(next(element.iterancestors("table", "dl"), element), near)
        elif element.tag == "pre":
            block.keeps = _is_beside(element, near)
        elif element.tag in ("p", "li") and _is_beside(element, near):
            block.keeps = block.plain >= LEAST_RUNNING and not _ASIDE.search(_around(element))


def _is_beside(element: Any, near: Container[Any]) -> bool:
    """Whether it stands among paragraphs of the article, or in a list or a quotation there."""
    parent = element.getparent()
    if parent in near:
        return True
    return parent.tag in ("blockquote", "ul", "ol") and parent.getparent() in near


def _around(element: Any) -> str:
    chain = (element, *list(element.iterancestors())[:3])
    return " ".join(f"{e.tag} {e.get('class') or ''}" for e in chain)


def _drop_interruptions(blocks: Sequence[Block]) -> None:
    """Links to other articles, and at the end what asks the reader for something."""
    for block in blocks:
        if block.keeps and block.linked >= 0.8 and len(block.letters) < _LONGEST_LINKS:
            block.keeps = False
            block.reason = "links inside the article"
    for block in reversed([block for block in blocks if block.keeps]):
        text = " ".join("".join(block.element.itertext()).split())
        if not (block.is_heading or (len(text) <= _LONGEST_CALL and _CALLS.search(text))):
            break
        block.keeps = False
        block.reason = "calls behind the article"


def _leave_out(body: Any, blocks: Sequence[Block], leaving: Leaving) -> None:
    """Keep the texts of these blocks only, and add up what lies between two of them."""
    from lxml.etree import iterwalk

    kept: set[Any] = set()
    reasons: dict[Any, str] = {}
    for block in blocks:
        if block.keeps:
            kept.update(block.element.iter())
        else:
            reasons[block.element] = block.reason
    texts: list[str] = []
    reason = _OUTSIDE
    for event, element in iterwalk(body, events=("start", "end")):
        if event == "start" and element in kept:
            leaving.add(texts, reason)
            texts = []
        elif event == "start":
            if (own := reasons.get(element, reason)) != reason and texts:
                leaving.add(texts, reason)
                texts = []
            reason = own
            if element.text:
                texts.append(element.text)
                element.text = None
        elif element.tail and element is not body and element.getparent() not in kept:
            texts.append(element.tail)
            element.tail = None
    leaving.add(texts, reason)
    around = {above for element in kept for above in element.iterancestors()}
    for element in list(body.iter()):
        if element not in kept and element not in around and element is not body:
            element.getparent().remove(element)
