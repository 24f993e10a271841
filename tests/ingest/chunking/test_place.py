"""Chunks tell where in their source they stand."""

from collections.abc import Sequence
from typing import Any

from leafsearch.ingest.chunking.chunker import Chunker
from leafsearch.ingest.document import Document, Mark
from leafsearch.vectors.encoders.hashing import HashingEncoder

SENTENCES = [f"Sentence number {i} is about the pump and its valves." for i in range(40)]


def cut(text: str, *, tokens: int = 32, overlap: int = 0, **more: Any) -> list[Any]:
    tokenizer = HashingEncoder(64).tokenizer
    chunker = Chunker(tokenizer, max_tokens=512, tokens=tokens, overlap=overlap)
    return chunker.split(Document("d", text, **more))


def places(text: str, **more: Any) -> list[dict[str, Any]]:
    return [dict(chunk.place) for chunk in cut(text, **more)]


def pages(*texts: str) -> tuple[str, Sequence[Mark]]:
    text, marks = "", []
    for number, page in enumerate(texts, start=1):
        marks.append(Mark(len(text), {"page": number}))
        text += page + "\n\n"
    return text, marks


def test_a_record_without_headings_has_no_place() -> None:
    assert places("A plain record. " * 40)[0] == {}
    assert places("A plain record.") == [{}]


def test_a_chunk_names_its_page_and_the_page_on_which_it_ends() -> None:
    text, marks = pages(" ".join(SENTENCES[:2]), " ".join(SENTENCES[2:12]), SENTENCES[12])

    found = places(text, marks=marks, tokens=40)

    assert found[0]["page"] == 1
    assert found[-1] == {"page": 3} or found[-1] == {"page": 2, "last_page": 3}
    assert all(place.get("last_page", 9) > place["page"] for place in found)
    assert {place["page"] for place in found} >= {1, 2}


def test_a_whole_document_in_one_chunk_spans_its_pages() -> None:
    text, marks = pages("One.", "Two.", "Three.")

    assert places(text, marks=marks, tokens=200) == [{"page": 1, "last_page": 3}]


def test_headings_make_a_trail_with_the_chunk_s_own_heading() -> None:
    body = " ".join(SENTENCES[:3])
    text = f"# Guide\n\n{body}\n\n## Install\n\n{body}\n\n### Linux\n\n{body}\n\n## Use\n\n{body}\n"

    trails = [place["heading"] for place in places(text, tokens=24)]

    assert list(dict.fromkeys(trails)) == [
        "Guide",
        "Guide > Install",
        "Guide > Install > Linux",
        "Guide > Use",
    ]


def test_a_short_document_has_the_heading_that_it_begins_with() -> None:
    assert places("\n# Guide #\n\nShort.") == [{"heading": "Guide"}]
    assert places("Guide\n=====\n\nShort.") == [{"heading": "Guide"}]
    assert places("Short.\n\n# Guide") == [{}]


def test_an_anchor_holds_until_the_next_one_and_none_ends_it() -> None:
    text = "\n\n".join(SENTENCES[:3])
    second, third = text.index(SENTENCES[1]), text.index(SENTENCES[2])
    marks = [Mark(0, {"anchor": "a"}), Mark(second, {"anchor": "b"}), Mark(third, {"anchor": None})]

    assert places(text, marks=marks, tokens=16) == [{"anchor": "a"}, {"anchor": "b"}, {}]


def test_lines_are_those_of_the_file_even_where_chunks_overlap() -> None:
    text = "\n".join(SENTENCES)
    for overlap in (0, 14):
        for chunk in cut(text, tokens=30, overlap=overlap, has_lines=True):
            first, last = chunk.place["lines"]
            assert "\n".join(text.split("\n")[first - 1 : last]) == chunk.text


def test_a_title_too_long_to_repeat_does_not_shift_places() -> None:
    title = " ".join(SENTENCES[:4])
    text = "\n".join(SENTENCES[4:12])

    found = cut(text, title=title, tokens=32, has_lines=True, marks=[Mark(0, {"page": 7})])

    assert all(chunk.place["page"] == 7 for chunk in found)
    last = found[-1]
    first, end = last.place["lines"]
    assert "\n".join(text.split("\n")[first - 1 : end]) == last.text


def test_the_place_is_part_of_the_hash_but_not_of_what_is_encoded() -> None:
    one, other = (cut("Same text.", marks=[Mark(0, {"page": n})])[0] for n in (1, 2))

    assert one.hash != other.hash
    assert one.hash[:8] == other.hash[:8]
    assert one.fields()["place"] == {"page": 1}
