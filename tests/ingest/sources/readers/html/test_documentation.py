"""Pages of documentation keep every section, heading, table and list; their menus go."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from leafsearch.ingest import Document
from leafsearch.ingest.sources.readers import Whole
from leafsearch.ingest.sources.readers.html import read_html

pytest.importorskip("trafilatura", reason="needs the extra [formats]")

LINE = "The bilge pump runs for four minutes, then it rests until the float rises again."
NAMES = """
    handling-security-related-bugs related-work comments-in-code sharing-files navigation-api
    cookie-handling footer-format author-s-notes tags newsletter-setup banner-lines menu-keys
    social-security shared-memory caption-format premium-rates sidebar-order breadcrumb
    hidden-files login-form widget-toolkit outbrain header-files toolbar sidebar menu nav
    navbar breadcrumbs footer header search pagination related-topics toc contents comments
    share advertising popup modal sponsor skip copyright subscribe promo tools meta noprint
    related
"""
IDS = tuple(NAMES.split())


def read(page: str) -> Document:
    (found,) = read_html(io.BytesIO(page.encode()), Whole("f.html", "f.html"))
    assert isinstance(found, Document), found
    return found


def body(inner: str) -> str:
    return read(
        f"<!DOCTYPE html><html><head><title>T</title></head><body>{inner}</body></html>"
    ).text


def in_order(text: str, parts: Sequence[str]) -> bool:
    at = -1
    for part in parts:
        at = text.find(part, at + 1)
        if at < 0:
            return False
    return True


@pytest.mark.parametrize("shape", ["<section id='{}'>", "<div class='{}'>", "<div id='{}'>"])
@pytest.mark.parametrize("around", ["main", "article", "div", ""])
def test_no_section_goes_because_of_its_name(shape: str, around: str) -> None:
    end = "</section>" if "section" in shape else "</div>"
    sections = "".join(
        f"{shape.format(name)}<h2>About {name}</h2><p>{number} {LINE}</p>{end}"
        for number, name in enumerate(IDS)
    )
    inner = f"<h1>Manual</h1><p>{LINE}</p>{sections}"

    text = body(f"<{around}>{inner}</{around}>" if around else inner)

    lost = [
        n for i, n in enumerate(IDS) if f"## About {n}" not in text or f"{i} {LINE}" not in text
    ]
    assert lost == []


@pytest.mark.parametrize("name", IDS)
def test_a_short_section_stays_as_well(name: str) -> None:
    text = body(
        f"<main><h1>Manual</h1>{f'<p>{LINE}</p>' * 3}<section id='{name}'><h2>Topic</h2><p>Every "
        "worker maps the same four pages and locks them before it writes.</p></section></main>"
    )

    assert text.endswith(
        "## Topic\n\nEvery worker maps the same four pages and locks them before it writes."
    )


@pytest.mark.parametrize(
    "inner",
    [
        "<h1>Greasing</h1>{p}{p}{p}{p}{p}{p}",
        "<div><h1>Greasing</h1>{p}{p}{p}{p}{p}{p}</div>",
        "<main><h1>Greasing</h1>{p}{p}{p}{p}{p}{p}</main>",
        "<h1>Greasing</h1>{p}<ul><li>One item</li><li>Another</li></ul>",
        "<h1>Greasing</h1>{p}<h2>Parts</h2><table><tr><th>Part</th><th>Price</th></tr><tr>"
        "<td>Element</td><td>9.80</td></tr></table><h3>Last words</h3><ul><li>Test it "
        "outdoors.</li>"
        "<li>Keep the receipt.</li></ul>",
        "<div class=chapter><h1>Greasing</h1><div class=section><h2>Q1</h2>{p}</div>"
        "<div class=section><h2>Q2</h2>{p}</div></div>",
        "<h1>Greasing</h1>{p}<figure><img src=a.png><figcaption>The pump</figcaption>"
        "</figure><h2>Q1</h2>"
        "{p}<h3>Q2</h3>{p}",
        "<article><h1>Greasing</h1>{p}</article><article><h2>Second one</h2>{p}</article>"
        "<article><h2>Third one</h2>{p}</article>",
        "<header><h1>Greasing</h1></header><main>{p}<h2>Q1</h2>{p}</main>",
        "<main><header><h1>Greasing</h1></header>{p}<h2>Q1</h2>{p}</main>",
        "<table><tr><td><a href=a>A</a><td><h1>Greasing</h1>{p}<h2>Q1</h2>{p}</table>",
    ],
)
def test_plain_pages_keep_headings_tables_and_lists(inner: str) -> None:
    page = inner.replace("{p}", f"<p>{LINE}</p>")

    text = body(page)

    wanted = re.findall(r"<(h[1-6]|p|td|th|li|figcaption)>([^<]+)", page)
    for tag, words in wanted:
        line = f"{'#' * int(tag[1])} {words}" if tag[0] == "h" and len(tag) == 2 else words
        if tag != "th":
            assert line in text, text
    assert in_order(text, [words for _, words in wanted])


def test_a_table_keeps_its_cells_in_rows() -> None:
    text = body(
        f"<h1>Kettle</h1><p>{LINE}</p><h2>Parts</h2><table><tr><th>Part</th><th>Price</th></tr><tr>"
        "<td>Element</td><td>9.80</td></tr><tr><td><p>Lid</p></td><td>1|2</td></tr></table>"
    )

    assert text.endswith("| Part | Price |\n| --- | --- |\n| Element | 9.80 |\n| Lid | 1|2 |")


def test_the_name_of_a_manual_page_is_kept() -> None:
    paragraphs = f"<p>{LINE}</p>" * 6
    text = body(
        '<div id="header"><h1>pumpctl(1) Manual Page</h1><h2>NAME</h2><div class="sectionbody"><p>'
        'pumpctl - start and stop the bilge pumps</p></div></div><div id="content"><h2>DESCRIPTION'
        f'</h2>{paragraphs}</div><div id="footer"><div id="footer-text">Last updated 2024-05-31'
        "</div></div>"
    )

    assert text.startswith(
        "# pumpctl(1) Manual Page\n\n## NAME\n\npumpctl - start and stop the bilge pumps\n\n## DESC"
    )
    assert "Last updated" not in text


def test_an_index_is_its_links() -> None:
    links = "".join(f"<li><a href='c{n}.html'>Chapter {n}</a></li>" for n in range(9))

    assert body(f"<h1>Books</h1><ul>{links}</ul>").count("\n- Chapter") == 9
    assert body(f"<ul>{links}</ul>").count("- Chapter") == 9
    assert body(f"<div class=toc><h2>Contents</h2><ul>{links}</ul></div>").count("- Chapter") == 9


@pytest.mark.parametrize(
    "inner",
    [
        f"<p>{LINE}</p><h2>See also</h2><ul><li><a href=a>Seals</a></li><li><a href=b>Oil</a>"
        f"</li></ul>",
        f"<p>{LINE}</p><p>See also:</p><ul><li><a href=a>Seals</a></li><li><a href=b>Oil</a>"
        f"</li></ul>",
        f"<p>{LINE}</p><ul><li><a href=a>Seals</a></li><li><a href=b>Oil</a></li></ul>"
        f"<p>{LINE}</p>",
        f"<main><p>{LINE}</p><ul><li><a href=a>Seals</a></li><li><a href=b>Oil</a></li></ul>"
        f"</main>",
    ],
)
def test_link_lists_inside_the_text_stay(inner: str) -> None:
    assert "- Seals\n- Oil" in body(inner)


@dataclass(frozen=True)
class Site:
    page: str
    menus: Sequence[str]


SITES = {
    "docbook": Site(
        '<div class="navheader"><table><tr><th colspan=3>Chapter 3</th></tr><tr><td><a '
        "href=a>Prev</a>"
        "</td><td><a href=b>Up</a></td><td><a href=c>Next</a></td></tr></table><hr></div>{text}"
        '<div class="navfooter"><hr><table><tr><td><a href=a>Prev</a></td><td>Next</td></tr>'
        "</table>"
        "</div>",
        ["Prev", "Up", "Next"],
    ),
    "sphinx": Site(
        '<div class="related" role="navigation"><h3>Navigation</h3><ul><li><a href=a>index</a></li>'
        '<li><a href=b>modules</a> |</li></ul></div><div class="document"><div class="body" role='
        '"main">{text}</div><div class="sphinxsidebar"><h3>Previous topic</h3><p class=topless>'
        "<a href=x>Boats</a></p></div></div><div class=footer>&copy; Copyright 2020.</div>",
        ["Navigation", "modules", "Boats", "Previous topic"],
    ),
    "javadoc": Site(
        '<div class="topNav"><ul class="navList"><li><a href=o>Overview</a></li><li>Class</li></ul>'
        '</div><div class="subNav"><ul><li>Prev Class</li></ul></div><div class="header">'
        '<div class="subTitle">org.example</div></div>{text}<div class="bottomNav"><ul>'
        "<li>Tree</li>"
        '</ul></div><p class="legalCopy"><small>All rights reserved.</small></p>',
        ["Overview", "Prev Class", "Tree", "rights reserved"],
    ),
    "mkdocs": Site(
        '<div class="navbar fixed-top"><a href=/>Home</a><ul><li><a href=a>User Guide</a></li></ul>'
        '</div><div class=container><div class="bs-sidebar"><ul><li><a href=#p>Parts</a></li></ul>'
        "</div><div role=main>{text}</div></div><footer><p>Documentation built with MkDocs.</p>"
        "</footer><div class=modal role=dialog><h4>Search</h4>From here you can search.</div>",
        ["User Guide", "Documentation built", "From here"],
    ),
    "docusaurus": Site(
        "<div role=region><a href=#m>Skip to main content</a></div><nav class=navbar><a "
        "href=/>My Site"
        "</a></nav><div id=m><aside class=theme-doc-sidebar-container><nav><ul><li><a "
        "href=a>Tutorial"
        "</a></li></ul></nav></aside><main><article><nav aria-label=Breadcrumbs><ul><li>Basics</li>"
        "</ul></nav>{text}<footer class=theme-doc-footer><a href=e>Edit this page</a></footer>"
        "</article><nav class=pagination-nav><a href=n>Next page</a></nav></main></div>"
        "<footer class=footer><div>Copyright 2026</div></footer>",
        ["Skip to", "My Site", "Tutorial", "Basics", "Edit this", "Next page", "Copyright"],
    ),
    "man2html": Site(
        "<h1>PUMP</h1>Section: User Commands (1)<br>Updated: July<br><a href='#index'>Index</a>\n"
        "<a href='../index.html'>Return to Main Contents</a><hr>{text}<hr>This document was "
        "created "
        "by <a href='/cgi-bin/man/man2html'>man2html</a>, using the manual pages.<br>Time: 14:38",
        ["Return to Main", "Index", "man2html"],
    ),
    "texinfo": Site(
        '<div class="header"><p>Next: <a href=a>Oil</a>, Previous: <a href=b>Fuel</a>, Up: <a '
        'href=c>Engine</a> [<a href=d>Contents</a>]</p></div>{text}<hr><div class="header">'
        "<p>Next: "
        "<a href=a>Oil</a></p></div>",
        ["Fuel", "Contents"],
    ),
}


@pytest.mark.parametrize("name", SITES)
def test_bars_and_menus_go_and_are_accounted_for(name: str) -> None:
    text = (
        f"<h2>Pump</h2><p>{LINE}</p><h3>Parts</h3><p>Rotor.</p><p>{LINE}</p>"
        f"<dl><dt>Seal</dt><dd>{LINE}</dd></dl><p>{LINE}</p>"
    )
    site = SITES[name]

    found = read(f"<html><body>{site.page.replace('{text}', text)}</body></html>")

    assert in_order(found.text, ["## Pump", LINE, "### Parts", "Rotor.", "Seal", LINE])
    assert [menu for menu in site.menus if menu in found.text] == []
    left_out = " ".join(omission.text for omission in found.omissions)
    assert [menu for menu in site.menus if menu not in left_out] == []
    assert found.words >= found.words_left_out > 0
    assert all(omission.reason and omission.words for omission in found.omissions)


def test_signs_of_permalinks_go() -> None:
    text = body(
        f"<h1>Customising<a class=headerlink href='#c' title='Permalink'>¶</a></h1><p>{LINE}</p>"
        "<h2 id=x>Rust <a class=anchor href='#x'>§</a></h2><h2><a href='#y'>Linked title</a></h2>"
        "<h2>Doc<a class=hash-link href='#z' aria-label='Direct link'>\u200b</a></h2>"
        "<dl><dt>json.dump(x)<a href='#d'>#</a></dt><dd>D</dd></dl>"
    )

    assert in_order(text, ["# Customising\n", "## Rust\n", "## Linked title\n", "## Doc\n"])
    assert "json.dump(x)\n" in text


def test_anchors_are_those_of_headings_or_of_the_parts_they_begin() -> None:
    found = read(
        "<html><body><h1 id=top>Pump</h1><p>A</p><section id=oil><h2>Oil</h2><p>B</p></section>"
        "<a name=lbAB>&nbsp;</a><h2>Seals</h2><p>C</p><h2><a id=rotor></a>Rotor</h2><h2>None</h2>"
        "</body></html>"
    )

    places = [(dict(m.place), found.text[m.offset :].partition("\n")[0]) for m in found.marks]
    assert places == [
        ({"anchor": "top"}, "# Pump"),
        ({"anchor": "oil"}, "## Oil"),
        ({"anchor": "lbAB"}, "## Seals"),
        ({"anchor": "rotor"}, "## Rotor"),
    ]


def test_a_page_that_keeps_everything_leaves_nothing_out() -> None:
    found = read(f"<html><body><h1>Pump</h1><p>{LINE}</p></body></html>")

    assert found.omissions == []
    assert found.words == 1 + len(LINE.split())


def test_a_wiki_keeps_its_article_without_edit_links_languages_and_categories() -> None:
    page = (
        "<html><head><title>Bilge pump</title><meta name=generator content='MediaWiki 1.43'></head>"
        "<body><main id=content><h1>Bilge pump</h1><div id=p-lang-btn><ul><li><a href=/de>Deutsch"
        "</a></li></ul></div><table class=infobox><tr><th>Type</th><td>Water pump</td></tr></table>"
        "<p>A bilge pump is used to remove bilge water.</p><h2 id=History>History</h2>"
        "<span class=mw-editsection>[<a href=/edit>edit</a>]</span><p>Archimedes built one.</p>"
        "<h2>See also</h2><ul><li><a href=/Bilge>Bilge</a></li></ul><div id=catlinks><a>Category"
        "</a>: <ul><li><a href=/c>Pumps of ships</a></li></ul></div></main></body></html>"
    )

    (found,) = read_html(io.BytesIO(page.encode()), Whole("f", "f"))

    assert isinstance(found, Document)
    assert found.text == (
        "# Bilge pump\n\n| Type | Water pump |\n| --- | --- |\n\n"
        "A bilge pump is used to remove bilge water.\n\n## History\n\nArchimedes built one.\n\n"
        "## See also\n\n- Bilge"
    )
    assert {part.text for part in found.omissions} >= {"Deutsch", "[ edit ]"}
