"""Markdown of pieces of HTML that have no menus, such as e-mails and chapters of books."""

import pytest

from leafsearch.ingest.sources.readers.html import to_markdown

pytest.importorskip("html_to_markdown", reason="needs the extra [formats]")


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<h1>T <b>x</b></h1><p>One</p>", "# T x\n\nOne"),
        ("<p>H<sub>2</sub>O and x<sup>2</sup></p>", "H2O and x2"),
        ('<p>word<sup><a href="#n1">1</a></sup>.</p>', "word[1]."),
        ("<p>a &lt;b [x] \\[ *y* a_b_c 1. x</p>", "a <b [x] \\[ *y* a_b_c 1. x"),
        ("<p>1. one</p><p>1986. A year</p>", "1. one\n\n1986. A year"),
        ("<p>- dash</p><p>#tag</p><p>&gt; x</p>", "- dash\n\n#tag\n\n> x"),
        ("<ol><li>a</li><li>b</li></ol>", "1. a\n2. b"),
        ("<ul><li>a<ul><li>b</li></ul></li></ul>", "- a\n  - b"),
        ("<dl><dt>T</dt><dd>D</dd></dl>", "T\n\nD"),
        ("<p><a href='https://example.org/'>link</a></p>", "link"),
        ("<p>a<br>b</p>", "a\nb"),
        ("<p>soft\xadhyphen and\xa0blank</p>", "softhyphen and blank"),
        ("plain words", "plain words"),
        ("<nav><p>All is text here.</p></nav>", "All is text here."),
        ("<pre>a\n  b\n\n# c</pre>", "```\na\n  b\n\n# c\n```"),
        ('<pre><code class="language-py">x</code></pre>', "```py\nx\n```"),
        ("<pre><span>a<br></span><span>b</span></pre>", "```\na\nb\n```"),
        ("<pre><div>a</div>\n<div>  b</div></pre>", "```\na\n  b\n```"),
        ("<h2>a<br>b</h2>", "## a b"),
        ("<ul><li><h3>M</h3><p>x</p></li></ul>", "### M\n\nx"),
        ("<a href='x'><h3>M</h3></a>", "### M"),
        ("<figure><h2>M</h2><figcaption>fc</figcaption></figure>", "## M\n\nfc"),
        (
            "<table><tr><th>A</th><th>B</th></tr><tr><td>1|2<br>x</td><td><ul><li>p</li><li>q</li>"
            "</ul></td></tr></table><p>z</p>",
            "| A | B |\n| --- | --- |\n| 1|2 x | p; q |\n\nz",
        ),
        (
            "<table><tr><td>void</td><td>f()</td></tr><tr><td colspan=2><h2>Data</h2></td></tr>"
            "<tr><td>int</td><td>x</td></tr></table>",
            "| void | f() |\n| --- | --- |\n\n## Data\n\n| int | x |\n| --- | --- |",
        ),
        (
            "<table><tr><td class=linenos><pre>1\n2</pre></td><td><pre>a\n b</pre></td>"
            "</tr></table>",
            "```\na\n b\n```",
        ),
        (
            "<math><semantics><mi>E</mi><annotation encoding='application/x-tex'>E=mc^2"
            "</annotation></semantics></math>",
            "$E=mc^2$",
        ),
    ],
)
def test_text_keeps_its_form_without_stray_signs(html: str, expected: str) -> None:
    assert to_markdown(html) == expected


def test_a_line_that_only_looks_like_a_heading_becomes_none() -> None:
    assert to_markdown("<p># apt-get update</p>") == "\\# apt-get update"


def test_nothing_that_is_unseen_becomes_text() -> None:
    page = "<p>A</p><script>s</script><style>t</style><p hidden>h</p><button>b</button>"

    assert to_markdown(page) == "A"


@pytest.mark.parametrize("html", ["", " ", "<p></p>", "<!-- only -->", "<script>x</script>"])
def test_a_piece_without_text_is_empty(html: str) -> None:
    assert to_markdown(html) == ""
