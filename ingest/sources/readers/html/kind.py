"""Whether a page is an article of the web or documentation."""

import re
from typing import Any, Literal

Kind = Literal["article", "documentation"]

_GENERATORS = re.compile(
    r"docutils|sphinx|docbook|javadoc|doxygen|rustdoc|mdbook|mkdocs|docusaurus|asciidoc|pandoc|antora"
    r"|gitbook|vuepress|vitepress|starlight|nextra|texinfo|makeinfo|texi2|latex|groff|man2html|yard|rdoc"
    r"|typedoc|jsdoc|haddock|scaladoc|dokka|ocamldoc|org.mode|libreoffice|openoffice|microsoft word"
    r"|staroffice|abiword|pdf2|calibre|readme|hevea|tex4ht|pod::|epydoc|godoc|docfx|swagger|slate",
    re.IGNORECASE,
)  # fmt: skip
_METADATA = """
    boolean(//meta[starts-with(@property, 'og:') or starts-with(@property, 'article:')
                   or starts-with(@name, 'twitter:') or starts-with(@name, 'article')
                   or starts-with(@name, 'parsely') or starts-with(@name, 'sailthru')
                   or @itemprop='datePublished']
            | //link[@type='application/rss+xml' or @rel='amphtml'])
"""
_LINKED_DATA = re.compile(r"\"@type\"\s*:\s*\[?\s*\"\w*(?:Article|BlogPosting|Report)\"")
_TRACKERS = re.compile(
    r"googletagmanager|google-analytics|chartbeat|scorecardresearch|fbevents|gtag\("
)


def kind_of(root: Any) -> Kind:
    """A page is an article only if it shows itself as one; the way for documentation loses less."""
    for generator in root.xpath("//meta[@name='generator' or @name='Generator']/@content"):
        if _GENERATORS.search(generator):
            return "documentation"
    if root.xpath("boolean(//pre | //listing | //xmp)") or _has_permalinks(root):
        return "documentation"
    if root.xpath(_METADATA):
        return "article"
    scripts = [str(s.text or "") + (s.get("src") or "") for s in root.iter("script")]
    if any(_LINKED_DATA.search(s) or _TRACKERS.search(s) for s in scripts):
        return "article"
    return "documentation"


def _has_permalinks(root: Any) -> bool:
    signs = root.xpath("//a[starts-with(@href, '#')][contains('¶#§🔗', normalize-space())]")
    return sum(1 for sign in signs if "".join(sign.itertext()).strip()) >= 2
