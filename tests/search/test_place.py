"""Hits say where in their source they stand, and searches filter by it."""

import json
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.ingest.document import Document, Mark
from leafsearch.search import Searcher
from leafsearch.search.hit import describe_place, join_places

Run = Callable[..., CompletedProcess[str]]
Made = Callable[..., Searcher]
FIRST, SECOND = "ash elm oak on the first page.\n\n", "sea bay tide on the second page."


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({}, ""),
        ({"page": 3}, "page 3"),
        ({"page": 3, "last_page": 4, "heading": "A > B"}, "pages 3-4, A > B"),
        ({"sheet": "Prices", "row": 2, "last_row": 40}, "sheet Prices, rows 2-40"),
        ({"lines": [12, 12], "symbol": "f"}, "f, line 12"),
        ({"time": "00:01:02"}, "at 00:01:02"),
    ],
)
def test_a_place_in_words(place: dict[str, object], said: str) -> None:
    assert describe_place(place) == said


def test_a_trail_in_words_leaves_out_the_title_beside_it() -> None:
    assert describe_place({"heading": "Guide > Install"}, "Guide") == "Install"
    assert describe_place({"heading": "Guide", "page": 3}, "Guide") == "page 3"
    assert describe_place({"heading": "Guides > Install"}, "Guide") == "Guides > Install"


def test_joined_chunks_span_their_places() -> None:
    first = {"page": 3, "heading": "A", "lines": [1, 5]}
    last = {"page": 4, "last_page": 5, "heading": "B", "lines": [4, 9]}

    assert join_places(first, last) == {"page": 3, "last_page": 5, "heading": "A", "lines": [1, 9]}
    assert join_places({}, {}) == {}


@pytest.fixture
def searcher(made: Made) -> Searcher:
    text = FIRST + SECOND + " far" * 400
    marks = [
        Mark(0, {"page": 1, "anchor": "trees"}),
        Mark(len(FIRST), {"page": 2, "anchor": "water"}),
        Mark(len(FIRST + SECOND), {"page": 3}),
    ]
    return made([Document("book", text, marks=marks)], filters=["place.page"])


def test_a_hit_carries_its_place_and_a_filter_finds_it(searcher: Searcher) -> None:
    (hit, *_) = searcher.search("sea bay", k=1)
    assert hit.place["page"] in (1, 2)

    found = searcher.search("far", k=9, filter={"place.page": 3})

    assert found
    assert all(hit.place["page"] == 3 for hit in found)
    assert searcher.search("far", k=9, filter={"place.page": 9}) == []


def test_fields_choose_the_place_or_a_part_of_it(searcher: Searcher) -> None:
    (whole,) = searcher.search("sea", k=1, fields=["place"])
    (part,) = searcher.search("sea", k=1, fields=["text", "place.page"])
    (none,) = searcher.search("sea", k=1, fields=["text"])

    assert (whole.text, set(whole.place)) == ("", {"page", "last_page", "anchor"})
    assert (bool(part.text), set(part.place)) == (True, {"page"})
    assert none.place == {}


def test_a_context_cites_the_place(searcher: Searcher) -> None:
    context = searcher.context("sea bay", k=1, max_tokens=400)

    assert context.text.startswith("[1] book, pages 1-3\n")
    assert context.passages[0].place == {"page": 1, "last_page": 3, "anchor": "trees"}


def test_the_command_shows_the_place(
    run: Run, mongodb_uri: str, searcher: Searcher, database: Database[Any]
) -> None:
    where = ("--uri", mongodb_uri, "--database", database.name, "--collection", "c", "-k", 1)

    shown = run("leaf-search", "sea", *where).stdout
    (line,) = run("leaf-search", "sea", *where, "--json").stdout.splitlines()

    assert "(pages 1-3)" in shown or "(pages 1-2)" in shown
    assert json.loads(line)["place"]["page"] == 1
