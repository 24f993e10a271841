"""Pages of any depth and length are read to their end, in bounded time and memory."""

import io

import pytest

from leafsearch.ingest import Document, Rejected
from leafsearch.ingest.sources.readers import Whole
from leafsearch.ingest.sources.readers.html import parse, read_html, to_markdown

pytest.importorskip("trafilatura", reason="needs the extra [formats]")


def read(inner: str) -> Document:
    page = f"<!DOCTYPE html><html><body><main><p>First.</p>{inner}<p>Last.</p></main></body></html>"
    (found,) = read_html(io.BytesIO(page.encode()), Whole("f.html", "f.html"))
    assert isinstance(found, Document), found
    return found


@pytest.mark.parametrize("depth", [248, 256, 300, 1100, 2100, 5000])
@pytest.mark.parametrize("tag", ["div", "span", "b", "ul><li", "blockquote", "section", "font"])
def test_text_behind_and_inside_nested_elements_is_kept(tag: str, depth: int) -> None:
    ends = "".join(f"</{name}>" for name in reversed(tag.split("><")))

    text = read(f"<{tag}>" * depth + "Deep." + ends * depth).text

    assert "First." in text
    assert "Deep." in text
    assert text.rstrip().endswith("Last.")


@pytest.mark.parametrize("depth", [130, 700, 3000])
def test_items_that_are_never_closed_are_all_kept(depth: int) -> None:
    text = read("".join(f"<li><i>item {n}." for n in range(depth))).text

    assert [n for n in range(depth) if f"item {n}." not in text] == []
    assert "Last." in text


@pytest.mark.parametrize("depth", [100, 1000])
def test_nested_tables_and_headings_keep_their_text(depth: int) -> None:
    tables = "".join(f"<table><tr><td>cell {n}." for n in range(depth))
    parts = "".join(f"<div><h2>Part {n}</h2><p>text {n}.</p>" for n in range(depth))

    text = read(tables + "</td></tr></table>" * depth + parts + "</div>" * depth).text

    assert [n for n in range(depth) if f"cell {n}." not in text] == []
    assert [n for n in range(depth) if f"## Part {n}\n" not in text] == []
    assert [n for n in range(depth) if f"text {n}." not in text] == []
    assert "Last." in text


@pytest.mark.parametrize(
    "inner",
    [
        '<img src="data:image/png;base64,{}">',
        "<script>{}</script>",
        "<!-- {} -->",
        "<p title='{}'>Middle.</p>",
        "<svg><path d='{}'/></svg>",
    ],
)
def test_what_follows_ten_megabytes_is_kept(inner: str) -> None:
    assert read(inner.format("A" * 10_500_000)).text.rstrip().endswith("Last.")


@pytest.mark.long
def test_a_paragraph_of_ten_megabytes_is_kept() -> None:
    text = read(f"<p>{'word ' * 2_100_000}</p>").text

    assert len(text) > 10_000_000
    assert text.rstrip().endswith("Last.")


@pytest.mark.parametrize("attribute", ['a{}="x"', "a{}", "a{}='>'", 'a{}="<p>"', "data-{}=x"])
def test_a_tag_of_many_attributes_takes_little_time(attribute: str) -> None:
    attributes = " ".join(attribute.format(n) for n in range(50_000))

    text = read(f"<p {attributes} id=here>Middle.</p>").text

    assert text == "First.\n\nMiddle.\n\nLast."


def test_a_page_of_too_many_elements_is_rejected_with_the_reason() -> None:
    page = b"<p>x" + b"<b>" * (parse.MAX_ELEMENTS + 1)

    (found,) = read_html(io.BytesIO(page), Whole("f.html", "f.html"))

    assert isinstance(found, Rejected)
    assert found.reason == (
        "page of 2,000,002 tags; expected at most 2,000,000. Split it into several pages"
    )


@pytest.mark.parametrize(
    "inner",
    [
        "<",
        "<p",
        "<!--",
        "</",
        "<p a='",
        '<p a="',
        "<![CDATA[",
        "<!DOCTYPE",
        "<script>",
        "&#",
        "<svg>",
    ],
)
def test_signs_that_lead_nowhere_take_little_time(inner: str) -> None:
    assert to_markdown(f"<p>First.</p>{inner * 50_000}").startswith("First.")


@pytest.mark.parametrize(
    "part",
    [
        "<b>x</b> w ",
        "<span hidden>x</span> w ",
        "<nav><a href=a>x</a></nav> w ",
        "<a href='#x'>#</a> w ",
        "<button>x</button> w ",
        "<sup><a href=a>1</a></sup> w ",
    ],
)
def test_time_grows_with_the_length_of_a_page_alone(part: str) -> None:
    """Texts were once joined again and again, so time grew with the square."""
    assert read(part * 10_000).text.count("w") >= 10_000
