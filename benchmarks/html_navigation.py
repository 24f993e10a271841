"""What counts as navigation on the pages of each generator: the measure of `benchmarks.html`.

The extractor never reads this list, and no line of it is chosen by looking at the extractor. Blocks
under `MENUS` and `CONTENTS` are no part of a page's text. Strings under `MENUS` must not be stored;
a table of contents repeats headings of the page, so storing it counts neither way.
"""

from collections.abc import Mapping, Sequence

# Elements that are no text on any page.
HIDDEN: Sequence[str] = (
    *("script", "style", "noscript", "template", "svg", "head", "button", "select", "textarea"),
    *("[hidden]", "[style*='display:none']", "[style*='display: none']"),
)

# Bars, sidebars, breadcrumbs, "Prev / Up / Next", footers.
MENUS: Mapping[str, Sequence[str]] = {
    "docbook": (".navheader", ".navfooter"),
    "sphinx": (
        *("nav", "footer", ".related", ".sphinxsidebar", ".mobile-nav", ".footer", "[role=search]"),
        *("[role=navigation]", ".wy-side-nav-search", ".rst-footer-buttons", "#searchbox"),
    ),
    "asciidoctor": ("#footer",),
    "pandoc": (),
    "github": (
        *("header", "footer", "nav", ".Header", ".footer", ".Layout-sidebar", ".file-navigation"),
        *(
            ".UnderlineNav",
            ".show-on-focus",
            "#repository-container-header",
            "a.anchor",
            "react-partial",
        ),
    ),
    "man2html": ("a[href='#index']", "a[href='/cgi-bin/man/man2html']", "a[href='../index.html']"),
    "doxygen": (
        *("#main-nav", "#main-menu", "#nav-path", "#side-nav", "#top .tabs", "#MSearchBox"),
        *("#MSearchSelectWindow", "address.footer", "hr.footer ~ address"),
    ),
    "javadoc": (
        *("header nav", "nav", "footer", ".fixedNav", ".topNav", ".subNav", ".bottomNav"),
        *(".navPadding", ".legalCopy", ".legal-copy", ".skipNav", "header[role=banner]"),
    ),
    "rustdoc": (
        *("nav", ".sidebar", ".sub", ".sub-container", "#copy-path", "#toggle-all-docs"),
        *(".mobile-topbar", "#rustdoc-vars"),
    ),
    "mdbook": ("nav", "#menu-bar", "#sidebar", ".nav-wrapper", ".nav-wide-wrapper"),
    "mkdocs": (
        *(".navbar", ".bs-sidebar", "footer", ".modal", "[role=dialog]", "nav"),
        *("header.md-header", ".md-tabs", ".md-sidebar", ".md-footer", ".md-dialog", ".md-skip"),
        *("[role=navigation]", ".rst-footer-buttons", ".rst-versions", "a.md-content__button"),
    ),
    "docusaurus": (
        *("nav", "footer.footer", "aside", ".skipToContent", "[class*=skipToContent]"),
        *(".theme-doc-breadcrumbs", ".pagination-nav", ".theme-doc-footer", "a.hash-link"),
        *(".theme-doc-sidebar-container", ".theme-edit-this-page"),
    ),
    "texinfo": (".header", ".nav-panel", "table.nodebar"),
}

# Tables of contents, which repeat what the page says below them.
CONTENTS: Mapping[str, Sequence[str]] = {
    "docbook": (".toc", ".list-of-tables", ".list-of-figures", ".list-of-examples"),
    "sphinx": ("nav.contents", ".topic.contents", ".contents.local", ".toctree-wrapper"),
    "asciidoctor": ("#toc",),
    "pandoc": ("#TOC",),
    "github": (),
    "man2html": ("a[name=index] ~ dl", "a[name=index] ~ h2"),
    "doxygen": (".toc", ".header .summary", ".directory", "div.qindex"),
    "javadoc": (".toc", ".sub-nav", "ul.sub-nav-list-small"),
    "rustdoc": (),
    "mdbook": (),
    "mkdocs": (".toc", "#table-of-contents"),
    "docusaurus": (".table-of-contents", ".theme-doc-toc-mobile", ".theme-doc-toc-desktop"),
    "texinfo": (".contents", ".shortcontents", "table.menu", "ul.section-toc", "ul.mini-toc"),
}

# Signs of a heading's permalink, which are no part of its text.
PERMALINKS: Sequence[str] = (
    *("a.headerlink", "a.anchor", "a.hash-link", ".permalink", "a.permalink", "a.copiable-link"),
    *("a.anchorjs-link", ".id_link"),
)
