"""Leave out the navigation of a page: bars, menus, breadcrumbs, footers.

An element goes only by two signs together: its tag, its role or a whole name of its own says
navigation, and what it holds is links or labels rather than paragraphs. Parts of names never count,
since ids and classes of documentation are words of its headings ("shared-memory", "related-work").
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from leafsearch.ingest.document import Omission
from leafsearch.ingest.sources.readers.html.clean import drop
from leafsearch.ingest.sources.readers.html.elements import HEADINGS, names
from leafsearch.ingest.sources.readers.html.weights import Weight, Weights, count_words

_SHOWN = 200  # characters of what was left out
_DIALOGS = ("dialog", "alertdialog")
_NAVIGATION_ROLES = names("navigation search menu menubar tablist toolbar")
# Names that only generators of pages give, to nothing but navigation.
_BARS = names(
    "page-menu "
    "navheader navfooter sphinxsidebar sphinxsidebarwrapper wy-nav-side wy-nav-top wy-side-scroll "
    "rst-footer-buttons rst-versions bs-sidebar md-header md-tabs md-sidebar md-footer md-dialog "
    "md-search topnav topNav subnav subNav bottomnav bottomNav fixedNav navPadding navpath nav- "
    "path side-nav main-nav main-menu legalCopy legal-copy nav-panel nodebar menu-bar mobile- "
    "topbar nav-wrapper nav-wide-wrapper sidebar-scrollbox skipnav skipNav pagination-nav "
    "related-nav theme-doc-sidebar-container theme-doc-breadcrumbs theme-doc-footer UnderlineNav "
    "Layout-sidebar file-navigation MSearchSelectWindow MSearchResultsWindow mobile-nav page-nav "
    "prev-next prevnext rustdoc-breadcrumbs site-nav site-navigation gh-header td-sidebar-nav "
    "navbox toctree-nav bottom-nav docs-nav sidebar-nav subnavbar"
)
# Names of navigation that may also be words of a text.
_NAMES = names(
    "nav navbar navigation navlinks nav-links menu menus topmenu mainmenu submenu sidebar side-bar "
    "sidenav breadcrumb breadcrumbs crumbs pager pagination paging toolbar topbar top-bar tabs "
    "banner masthead header site-header page-header header_content footer foot site-footer "
    "page-footer footer-text copyright colophon skip-link skiplink skip-links skip skip-to-content "
    "modal dialog popup cookie cookies cookie-banner cookie-consent social share sharing sharebar "
    "share-buttons social-share related next prev previous up nextprev languages lang-switcher "
    "language-switcher version-switcher search searchbox search-box searchform login noprint "
    "screen-reader-text sr-only visually-hidden show-on-focus back-to-top backtotop edit-page "
    "edit-on-github editlink edit-link mw-editsection mw-cite-backlink catlinks p-lang-btn "
    "interlanguage-links mw-jump-link toc-macro"
)
_FOOTERS = names("footer foot site-footer page-footer footer-text legalCopy legal-copy")
_CONTENTS = names(
    "toc contents table-of-contents tableofcontents local-toc page-toc toc-wrapper minitoc mini-toc"
)
_NAMED = names(
    "div ul ol li table tr td p span a center font form header footer aside nav dl details address"
)
_HOLDERS = names("body div center main article section")
_LINES = names("div p center table ul")
_INSIDE = names("p li dd td blockquote main article")
_WORD = re.compile(r"[^\W_]")
_QUOTES = names("blockquote figure li td")
_SKIPS = re.compile(r"(?:skip|jump) (?:to|over|the|navigation|links|ahead|main)\b", re.IGNORECASE)
_STEPS = re.compile(
    r"\W*(?:(?:prev(?:ious)?|next|up|home|index|(?:table of )?contents|top|back|toc|forward|modules"
    r"|search|help)(?: (?:page|topic|chapter|section))?\W*)+", re.IGNORECASE,
)  # fmt: skip
_TURNS = re.compile(r"prev|next", re.IGNORECASE)


@dataclass
class Leaving:
    """What is left out of a page, with the rule that applied."""

    omissions: list[Omission] = field(default_factory=list)

    def leave_out(self, element: Any, reason: str) -> None:
        self.add(element.itertext(), reason)
        drop(element)

    def add(self, texts: Iterable[str], reason: str) -> None:
        text = " ".join(" ".join(texts).split())
        if words := count_words(text):
            self.omissions.append(Omission(reason, words, text[:_SHOWN]))


def leave_out_navigation(body: Any, weights: Weights, leaving: Leaving) -> None:
    for element, reason in list(_navigation(body, weights)):
        leaving.leave_out(element, reason)


def _navigation(body: Any, weights: Weights) -> Iterator[tuple[Any, str]]:
    """Outermost elements of navigation."""
    whole = weights[body]
    waiting = [(child, False) for child in reversed(body)]
    while waiting:
        element, is_inside = waiting.pop()
        if element.tag in ("pre", "code", "math"):
            continue
        weight = weights[element]
        if weight.letters and (reason := _reason(element, weight, whole, is_inside)):
            yield element, reason
            continue
        is_inside = is_inside or element.tag in _INSIDE
        waiting += [(child, is_inside) for child in reversed(element)]


def _reason(element: Any, weight: Weight, whole: Weight, is_inside: bool) -> str:
    tag = element.tag
    if tag == "footer" and not is_inside and _has_main(element):
        return "footer"
    if element.get("role") in _DIALOGS and next(element.iter("main", "h1"), None) is None:
        return "dialog"
    if weight.running > max(400, 0.6 * whole.running):
        return ""  # it is the page's text, whatever it is called
    if tag == "nav" or element.get("role") in _NAVIGATION_ROLES:
        return "navigation" if not _is_text(weight, 150) else ""
    if tag == "footer" or element.get("role") == "contentinfo":
        return "footer" if _is_footer(element, weight, whole, is_inside) else ""
    if tag == "a":
        text = "".join(element.itertext()).strip()
        if _SKIPS.match(text) and (element.get("href") or "").startswith("#"):
            return "link that skips the navigation"
        if _STEPS.fullmatch(text) and _stands_alone(element):
            return "navigation"
    if (
        tag in ("header", "aside")
        and not is_inside
        and _is_dense(weight)
        and not _has_title(element)
    ):
        return "header" if tag == "header" else "sidebar"
    if tag in _LINES and 0 < weight.letters < 60 and weight.links and _turns_pages(element):
        return "navigation"
    if tag in _NAMED and (own := _names_of(element)):
        if own & _BARS and not _is_text(weight, 400):
            return "navigation"
        if own & _NAMES and _is_menu(element, weight):
            return "navigation"
        if own & _FOOTERS and weight.running < 150 and weight.headings == 0 and _is_last(element):
            return "footer"
        if own & _CONTENTS and _is_contents(element, weight, whole):
            return "table of contents"
    return ""


def _names_of(element: Any) -> frozenset[str]:
    own = element.get("class")
    identity = element.get("id")
    if identity and own:
        return frozenset((identity, *own.split()))
    if own:
        return frozenset(own.split())
    return frozenset((identity,)) if identity else frozenset()


def _is_text(weight: Weight, least: float) -> bool:
    return weight.running > max(least, weight.linked)


def _is_dense(weight: Weight) -> bool:
    """Links and short labels, with hardly a sentence."""
    return weight.running == 0 or weight.linked > 2 * weight.running


def _is_menu(element: Any, weight: Weight) -> bool:
    """Mostly links, or labels so few that no sentence is among them; no part with a title."""
    if weight.running or _has_title(element):
        return False
    if weight.headings and weight.plain > 10 and weight.plain * 2 > weight.linked:
        return False  # a part of the text: a heading with what it says
    if weight.linked:
        return weight.linked >= weight.plain or _is_steps(element)
    return weight.plain < 40 and weight.headings == 0 and _is_label(element)


def _is_label(element: Any) -> bool:
    """Whether a part without any link is still nothing to read: a hidden remark, a copyright."""
    own = _names_of(element)
    return bool(own & names("sr-only visually-hidden screen-reader-text skip noprint"))


def _is_steps(element: Any) -> bool:
    """Whether all its words, or those outside its links, name steps: Next, Previous, Up."""
    texts = element.xpath(".//text()[not(ancestor::a)]")
    outside = " ".join(" ".join(texts).split())
    return not _WORD.search(outside) or bool(_STEPS.fullmatch(outside))


def _stands_alone(link: Any) -> bool:
    """Whether it is no part of a line of text, and turns pages or is beside such a link."""
    parent, before = link.getparent(), link.getprevious()
    text = (parent.text if before is None else before.tail) or ""
    if parent.tag not in _HOLDERS or text.strip() or (link.tail or "").strip():
        return False
    near = (link, before, link.getnext())
    return any(_TURNS.search("".join(e.itertext())) for e in near if e is not None and e.tag == "a")


def _turns_pages(element: Any) -> bool:
    """Whether it only says Previous and Next, and the like."""
    text = " ".join("".join(element.itertext()).split())
    return bool(_TURNS.search(text) and _STEPS.fullmatch(text))


def _is_contents(element: Any, weight: Weight, whole: Weight) -> bool:
    """A list of links to headings, on a page that has more to say than its table of contents."""
    if weight.running or (
        weight.plain > 30 and weight.linked < 0.7 * (weight.plain + weight.linked)
    ):
        return False
    return whole.running - weight.running > 2 * weight.letters


def _is_footer(element: Any, weight: Weight, whole: Weight, is_inside: bool) -> bool:
    if any(
        around.tag in ("blockquote", "figure", "li", "td") for around in element.iterancestors()
    ):
        return False
    if is_inside:
        return _is_dense(weight) and weight.headings == 0
    return weight.running < max(300, 0.1 * whole.running) or _is_dense(weight)


def _has_main(element: Any) -> bool:
    return next(element.getroottree().iter("main"), None) is not None


def _is_last(element: Any) -> bool:
    """Whether no text comes after it."""
    while element.tag != "body" and (parent := element.getparent()) is not None:
        if (element.tail or "").strip():
            return False
        if any("".join(after.itertext()).strip() for after in element.itersiblings()):
            return False
        element = parent
    return True


def _has_title(element: Any) -> bool:
    """An h1, or an h2 of its own words among hardly any link."""
    if element.tag in HEADINGS:
        return True
    if any("".join(title.itertext()).strip() for title in element.iter("h1")):
        return True
    if sum(1 for _ in element.iter("a")) > 3:
        return False
    titles = element.iter("h2")
    return any(next(t.iter("a"), None) is None and "".join(t.itertext()).strip() for t in titles)
