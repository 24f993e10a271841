"""Drop what no reader of a page sees as its text: scripts, form controls, hidden parts, signs."""

import re
from typing import Any

from leafsearch.ingest.sources.readers.html.elements import HEADINGS, names

_UNSEEN = (
    *("script", "style", "noscript", "template", "svg", "head", "iframe", "object", "embed"),
    *("button", "select", "textarea", "input", "datalist", "dialog", "progress", "meter", "link"),
    *("clipboard-copy", "noframes", "applet", "param"),
)
_FORMULA = re.compile(r"math/(?:tex|latex)")
_NOT_DISPLAYED = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE
)
_LINE_NUMBERS = names(
    "lineno linenos linenodiv line-number line-numbers line-numbers-rows blob-num gutter "
    "hljs-ln-numbers rouge-gutter lntable-number"
)
_SHOWN_LATER = ("tabpanel", "region")
_LEAST = 200  # letters of a hidden part that a click may show
_PERMALINK = re.compile(
    r"permalink|(?:permanent )?link to (?:this|heading|the heading)\b.*|anchor|#|¶|§|🔗|⚓︎?|",
    re.IGNORECASE,
)


def clean(root: Any) -> None:
    from lxml import etree

    for script in root.iter("script"):
        if _FORMULA.match(script.get("type") or "") and script.text:
            script.tag, script.text = "span", f"${script.text.strip()}$"
    etree.strip_elements(root, *_UNSEEN, with_tail=False)
    for element in list(root.iter(etree.Element)):
        if element.attrib and _is_unseen(element):
            drop(element)


def drop(element: Any) -> None:
    """Empty an element and keep the text behind it.

    Joining that text with the one before would take time that grows with the square of a page.
    """
    parent = element.getparent()
    if element.tag in ("td", "th") and parent is not None:
        parent.remove(element)  # an empty cell would be a column
        return
    element.clear(keep_tail=True)
    element.tag = "span"


def _is_unseen(element: Any) -> bool:
    if element.tag == "a":
        return _is_permalink(element)
    attributes = element.attrib
    if (names := attributes.get("class")) and not _LINE_NUMBERS.isdisjoint(names.split()):
        return element.tag in ("td", "div", "span", "pre") and not any(
            map(str.isalpha, _text(element))
        )
    if "hidden" in attributes:
        return not _may_be_shown(element)
    if attributes.get("aria-hidden") == "true":
        return _hides_duplicate(element)
    if (style := attributes.get("style")) and _NOT_DISPLAYED.search(style):
        return not _may_be_shown(element)
    return False


def _may_be_shown(element: Any) -> bool:
    """Tabs, answers that unfold and the like are text; hidden remarks to the software are not."""
    if element.tag in ("body", "main", "html", "article"):
        return True
    if element.get("role") == "dialog" or element.get("aria-modal"):
        return False
    if element.get("role") in _SHOWN_LATER or element.get("hidden") == "until-found":
        return True
    return sum(map(len, element.itertext())) >= _LEAST


def _hides_duplicate(element: Any) -> bool:
    """A formula that is drawn once more, the letter of an icon; all else is seen on the screen."""
    if element.tag not in ("span", "i", "a", "b", "em"):
        return False
    if any("math" in (e.get("class") or "") for e in element.itersiblings(preceding=True)):
        return True
    return not any(map(str.isalnum, _text(element)))


def _text(element: Any) -> str:
    return "".join(element.itertext()).strip()


def _is_permalink(link: Any) -> bool:
    href = link.get("href") or ""
    text = _text(link)
    if not text:
        return False  # a target of links, or nothing at all
    if "#" not in href or len(text) > 40 or not _PERMALINK.fullmatch(text):
        return not any(map(str.isalnum, text)) and len(text) <= 3 and href.startswith("#")
    return not text.isalpha() or _stands_at_heading(link)


def _stands_at_heading(link: Any) -> bool:
    parent = link.getparent()
    if parent is None:
        return False
    near = (parent, parent.getparent(), link.getprevious(), parent.getprevious())
    return any(e is not None and (e.tag in HEADINGS or e.tag in ("dt", "summary")) for e in near)
