"""Parse a page into a tree, whole: no depth, no length and no number of attributes ends it early.

libxml2 drops what is nested deeper than 2,048 elements along with the rest of the page, and takes
time that grows with the square of a tag's attributes. So long tags lose the attributes that are of
no use here, and elements that are nested too deeply are opened beside each other.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.html.elements import HEADINGS, INLINE, VOID

MAX_ELEMENTS = 2_000_000
MAX_DEPTH = 240
_LONG_TAG = 2048  # characters
_SCANNED = 16 * 1024  # shorter pages cannot hold enough attributes to matter

_RAW = r"script|style|textarea|title|xmp|iframe|noembed|noframes"
# Every branch also matches up to the end of the page, so a scan takes time linear in its length.
_TOKEN = re.compile(
    rf"""<!--.*?(?:-->|\Z)
    | <(?P<raw>{_RAW})(?=[\s/>])(?:[^>"']|"[^"]*(?:"|\Z)|'[^']*(?:'|\Z))*+(?:>|\Z)
      (?P<inner>.*?)(?:(?=</(?P=raw)[\s/>])|\Z)
    | <(?P<end>/)?(?P<name>[a-z][^\s/>]*)
      (?P<rest>(?:[^>"'=]|=\s*+"[^"]*+(?:"|\Z)|=\s*+'[^']*+(?:'|\Z)|["'=])*+)(?:>|\Z)""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
# What XML cannot hold, as it stands and as a reference.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_REFERENCE = re.compile(r"&#(?:[xX]([0-9a-fA-F]+)|([0-9]+));?")
# A start tag, or more: scripts are not told from tags, which only leads to a closer look.
_TAG = re.compile(
    r"""<[a-z][^>"']*+(?:"[^"]*+(?:"|\Z)[^>"']*+|'[^']*+(?:'|\Z)[^>"']*+)*+""", re.IGNORECASE
)
_USEFUL = re.compile(
    r"""(?<![^\s"'])(?:id|class|role|href|hidden|type|name|property|content|rel|lang|charset
    |http-equiv|aria-hidden|aria-label|style|start)(?=[\s=>/]|\Z)
    (?:\s*=\s*(?:"[^"]{0,4096}"|'[^']{0,4096}'|[^\s"'>]{1,4096}))?""",
    re.IGNORECASE | re.VERBOSE,
)
# Elements that end the one of the same name before them, and what may stand open in between.
_IMPLIED = {
    "p": frozenset[str](),
    "li": frozenset(("p",)),
    "dt": frozenset(("p", "dd")),
    "dd": frozenset(("p", "dt")),
    "tr": frozenset(("p", "td", "th")),
    "td": frozenset(("p", "th")),
    "th": frozenset(("p", "td")),
    "option": frozenset[str](),
}
_OF_HEAD = frozenset(("title", "meta", "link", "base", "style", "script", "noscript", "template"))
_KEPT_DEEP = HEADINGS | {"p", "pre"}


def parse(page: str) -> Any:
    """The `html` element. Raises UnusableRecord for pages that are too large for memory."""
    from lxml import etree, html

    if page.count("<") > MAX_ELEMENTS:
        raise UnusableRecord(
            f"page of {page.count('<'):,} tags; expected at most {MAX_ELEMENTS:,}. Split it into "
            "several pages"
        )
    page = _REFERENCE.sub(_allowed, _CONTROLS.sub(" ", page))
    if len(page) > _SCANNED:
        page = _shorten_tags(page)
    root, too_deep = _tree(page)
    if too_deep or _is_deep(root):
        root, _ = _tree("".join(_flat(page)))
    if root is None:
        return html.document_fromstring("<html><body></body></html>")
    etree.strip_elements(root, etree.Comment, etree.ProcessingInstruction, with_tail=False)
    _close_head(root)
    return root


def _close_head(root: Any) -> None:
    """Move what only a body can hold out of the head.

    libxml2 does not know `main`, `article` and other elements of HTML 5, so on a page without a
    `body` tag it leaves them in the head that it has opened for the title.
    """
    head = root.find("head")
    if head is None:
        return
    first = next((child for child in head if child.tag not in _OF_HEAD), None)
    if first is None:
        return
    moved = [first, *first.itersiblings()]
    body = root.find("body")
    if body is None:
        body = root.makeelement("body")
        root.insert(root.index(head) + 1, body)
    lead = moved[-1]
    lead.tail = (lead.tail or "") + (body.text or "") or None
    body.text = None
    for place, child in enumerate(moved):
        body.insert(place, child)


def _allowed(reference: re.Match[str]) -> str:
    digits = reference[1] or reference[2]
    code = int(digits, 16 if reference[1] else 10) if len(digits) < 9 else 0x110000
    if code > 0x10FFFF or code == 0x7F or _CONTROLS.match(chr(code)):
        return " "
    return reference[0]


def _tree(page: str) -> tuple[Any, bool]:
    from lxml import etree, html

    parser = html.HTMLParser(huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        root = html.document_fromstring(page, parser=parser)
    except (etree.LxmlError, ValueError):
        root = None
    return root, any("xcessive depth" in error.message for error in parser.error_log)


def _is_deep(root: Any) -> bool:
    if root is None:
        return False
    return bool(root.xpath("boolean(//*[count(ancestor::*) > $most])", most=MAX_DEPTH))


def _shorten_tags(page: str) -> str:
    """Long tags keep the attributes that are read here, without long values."""
    if all(tag.end() - tag.start() <= _LONG_TAG for tag in _TAG.finditer(page)):
        return page
    return _TOKEN.sub(_shortened, page)


def _shortened(token: re.Match[str]) -> str:
    rest = token["rest"]
    if not rest or len(rest) < _LONG_TAG:
        return token[0]
    kept: list[str] = []
    for number, attribute in enumerate(_USEFUL.finditer(rest)):
        if number == 50:
            break
        kept.append(attribute[0])
    return f"<{token['end'] or ''}{token['name']} {' '.join(kept)}>"


def _flat(page: str) -> Iterator[str]:
    """The page without tags beyond the depth; blocks that stood there are lines."""
    stack: list[str] = []
    there: Counter[str] = Counter()
    leaf = ""  # the one element that is open beyond the depth
    at = 0

    def pop_to(size: int) -> None:
        for name in stack[size:]:
            there[name] -= 1
        del stack[size:]

    for token in _TOKEN.finditer(page):
        yield page[at : token.start()]
        at = token.end()
        name = (token["name"] or "").lower()
        if not name:
            yield token[0]
            continue
        if token["end"]:
            shallow = len(stack) <= MAX_DEPTH
            if there[name]:
                size = len(stack) - 1
                while stack[size] != name:
                    size -= 1
                pop_to(size)
                shallow = size < MAX_DEPTH
            if leaf and (name == leaf or shallow):
                yield f"</{leaf}>"
                leaf = ""
            yield token[0] if shallow else " " if name not in INLINE else ""
            continue
        if name in VOID or token[0].endswith("/>"):
            yield token[0]
            continue
        if (between := _IMPLIED.get(name)) is not None:
            size = len(stack) - 1
            while size >= 0 and stack[size] in between:
                size -= 1
            if size >= 0 and stack[size] == name:
                pop_to(size)
        stack.append(name)
        there[name] += 1
        if len(stack) <= MAX_DEPTH:
            yield token[0]
        elif name in _KEPT_DEEP:
            yield f"</{leaf}><{name}>" if leaf else f"<{name}>"
            leaf = name
        elif name not in INLINE and not leaf:
            yield "<br>"
        elif name not in INLINE:
            yield " "
    yield page[at:]
