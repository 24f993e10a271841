"""Whether a page is an article of the web, another page of a site, or documentation."""

import re
from collections.abc import Iterator
from typing import Any, Literal

from leafsearch.ingest.sources.readers.html.elements import HEADINGS

Kind = Literal["article", "site", "documentation"]

_GENERATORS = re.compile(
    r"docutils|sphinx|docbook|javadoc|doxygen|rustdoc|mdbook|mkdocs|docusaurus|asciidoc|pandoc|antora"
    r"|gitbook|vuepress|vitepress|starlight|nextra|texinfo|makeinfo|texi2|latex|groff|man2html|yard|rdoc"
    r"|typedoc|jsdoc|haddock|scaladoc|dokka|ocamldoc|org.mode|libreoffice|openoffice|microsoft word"
    r"|mediawiki|dokuwiki|moinmoin|xwiki|bookstack|confluence|twiki|pmwiki|staroffice|abiword|pdf2|calibre|readme|hevea|tex4ht|pod::|epydoc|godoc|docfx|swagger|slate",
    re.IGNORECASE,
)  # fmt: skip
_ARTICLE = """
    boolean(//meta[@property='og:type' and contains(@content, 'article')
                   or starts-with(@property, 'article:') or starts-with(@name, 'article')
                   or starts-with(@name, 'parsely') or starts-with(@name, 'sailthru')]
            | //*[@itemprop='datePublished' or @itemprop='articleBody'] | //link[@rel='amphtml'])
"""
_SITE = """
    boolean(//meta[starts-with(@property, 'og:') or starts-with(@name, 'twitter:')]
            | //link[@type='application/rss+xml'])
"""
_MOST_ELEMENTS = 30_000  # no article has more, and finding one would take long
_SURE = 5  # anchors that no article of a newspaper has
_LEAST_ARTICLE = 600  # letters of paragraphs outside links
_LINKED_DATA = re.compile(r"\"@type\"\s*:\s*\[?\s*\"\w*(?:Article|BlogPosting|Report)\"")
_SIGNS = re.compile(r"[\W_]+")
_TRACKERS = re.compile(
    r"googletagmanager|google-analytics|chartbeat|scorecardresearch|fbevents|gtag\("
)


def kind_of(root: Any) -> Kind:
    """What a page shows itself to be: an article, any page of a site, or else documentation."""
    for generator in root.xpath("//meta[@name='generator' or @name='Generator']/@content"):
        if _GENERATORS.search(generator):
            return "documentation"
    if root.xpath("boolean(//pre | //listing | //xmp)") or _has_permalinks(root):
        return "documentation"
    anchors = _own_anchors(root)
    if anchors >= _SURE or _has_several_articles(root):
        return "documentation"
    if root.xpath("count(//*)") > _MOST_ELEMENTS:
        return "documentation"
    scripts = [str(s.text or "") + (s.get("src") or "") for s in root.iter("script")]
    if root.xpath(_ARTICLE) or any(map(_LINKED_DATA.search, scripts)):
        return "article"
    if anchors >= 2:
        return "documentation"
    if root.xpath(_SITE) or any(map(_TRACKERS.search, scripts)):
        return "site"
    return "documentation"


def _own_anchors(root: Any) -> int:
    """Headings with an id made of their words, as generators of documentation do it.

    One of the whole page counts as two.
    """
    found = 0
    for heading in root.iter(*HEADINGS):
        words = _slug("".join(heading.itertext()))
        if words and any(_slug(anchor) == words for anchor in _anchors(heading)):
            found += 2 if heading.tag == "h1" else 1
    return found


def _anchors(heading: Any) -> Iterator[str]:
    """Ids of a heading, of the part that it begins, and of permalinks in and beside it."""
    parent = heading.getparent()
    near = [heading, *heading.iter("a")]
    if parent is not None:
        near += [parent, *parent.iterchildren("a")]
    for element in near:
        yield (element.get("id") or element.get("name") or "").removeprefix("user-content-")
        if (link := element.get("href") or "").startswith("#"):
            yield link


def _slug(text: str) -> str:
    return _SIGNS.sub("", text).casefold()


def _has_several_articles(root: Any) -> bool:
    """Whether there are at least two that are more than the teaser of another page."""
    articles = root.xpath("//article[not(ancestor::article)]")
    if len(articles) < 2:
        return False
    titled = (article for article in articles if next(article.iter(*HEADINGS), None) is not None)
    sizes = (sum(_plain(p) for p in article.iter("p")) for article in titled)
    return sum(1 for size in sizes if size >= _LEAST_ARTICLE) >= 2


def _plain(paragraph: Any) -> int:
    return sum(map(len, paragraph.xpath(".//text()[not(ancestor::a)]")))


def _has_permalinks(root: Any) -> bool:
    signs = root.xpath("//a[starts-with(@href, '#')][contains('¶#§🔗', normalize-space())]")
    return sum(1 for sign in signs if "".join(sign.itertext()).strip()) >= 2
