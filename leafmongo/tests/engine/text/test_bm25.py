"""Scores agree with BM25 computed from its definition."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tantivy")

from leafmongo.engine.text import TextIndex, parse_text_definition, parse_text_query

K1, B = 1.2, 0.75


def kept_length(length: int) -> int:
    """Lucene keeps lengths in a byte: exactly up to 40, then rounded down to four digits."""
    above = length - 24
    if above < 16:
        return length
    shift = above.bit_length() - 4
    return 24 + (above >> shift << shift)


def bm25(words: list[str], texts: dict[int, list[str]]) -> dict[int, float]:
    average = sum(map(len, texts.values())) / len(texts)
    scores: dict[int, float] = {}
    for word in words:
        having = sum(word in text for text in texts.values())
        idf = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
        for id_, text in texts.items():
            norm = K1 * (1 - B + B * kept_length(len(text)) / average)
            if count := text.count(word):
                scores[id_] = scores.get(id_, 0) + idf * count / (count + norm)
    return scores


def index_of(documents: Any) -> TextIndex:
    index = TextIndex(parse_text_definition({"mappings": {"dynamic": True}}))
    index.upsert_many(documents)
    return index


def scores(index: TextIndex, query: Any, path: Any = "text", **more: Any) -> dict[Any, float]:
    search = {"text": {"query": query, "path": path, **more}}
    return {match.id: match.score for match in index.search(parse_text_query(search))}


words = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12)


@settings(max_examples=100, deadline=None)
@given(st.lists(words, min_size=1, max_size=8), words, st.integers(1, 20))
def test_scores_are_bm25(texts: list[list[str]], query: list[str], times: int) -> None:
    """Texts have up to 240 words, so that some lengths are rounded."""
    by_id = {id_: text * times for id_, text in enumerate(texts)}
    index = index_of({"_id": id_, "text": " ".join(text)} for id_, text in by_id.items())

    found = scores(index, " ".join(query))

    assert found == pytest.approx(bm25(query, by_id), rel=1e-5)


def test_example_worked_by_hand() -> None:
    """Two texts of two words each, so the length has no weight: idf / (1 + 1.2)."""
    index = index_of([{"_id": 1, "text": "red fox"}, {"_id": 2, "text": "red hen"}])

    assert scores(index, "fox") == {1: pytest.approx(math.log(2) / 2.2)}
    assert scores(index, "red") == pytest.approx(dict.fromkeys((1, 2), math.log(1.2) / 2.2))


def test_statistics_count_documents_that_have_the_path() -> None:
    """Documents without the path affect neither word frequencies nor the average length."""
    texts = {1: ["a", "b"], 2: ["a"]}
    index = index_of({"_id": id_, "text": " ".join(text)} for id_, text in texts.items())
    index.upsert_many({"_id": 10 + each, "other": "b " * 50, "text": "..."} for each in range(20))

    assert scores(index, "b") == pytest.approx(bm25(["b"], texts))


def test_scores_of_paths_and_of_queries_add_up() -> None:
    index = index_of([{"_id": 1, "text": "fox", "title": "fox"}, {"_id": 2, "text": "hen"}])
    one, other = scores(index, "fox")[1], scores(index, "fox", "title")[1]

    assert scores(index, "fox", ["text", "title"]) == {1: pytest.approx(one + other)}
    assert scores(index, "fox", {"wildcard": "t*"}) == {1: pytest.approx(one + other)}
    assert scores(index, "fox", ["text", {"value": "text"}]) == {1: pytest.approx(one)}
    assert scores(index, ["fox", "fox"]) == {1: pytest.approx(2 * one)}
    assert scores(index, "fox fox") == {1: pytest.approx(2 * one)}


def test_strings_of_an_array_are_one_text() -> None:
    texts = {1: ["a", "b", "a"], 2: ["b"]}
    index = index_of(
        [{"_id": 1, "text": ["a b", ["a"]]}, {"_id": 2, "text": [{"no": "a"}, "b", 7, None]}]
    )

    assert scores(index, "a b") == pytest.approx(bm25(["a", "b"], texts))


def test_all_words_can_be_required() -> None:
    index = index_of([{"_id": 1, "text": "red fox"}, {"_id": 2, "text": "red"}])

    assert list(scores(index, "red fox", matchCriteria="any")) == [1, 2]
    assert list(scores(index, "red fox", matchCriteria="all")) == [1]


def test_equal_scores_stand_in_order_of_insertion() -> None:
    index = index_of({"_id": id_, "text": "same"} for id_ in range(3000, 0, -1))
    index.upsert_many([{"_id": 2000, "text": "same"}])

    found = list(scores(index, "same"))

    assert found == [*range(3000, 2000, -1), *range(1999, 0, -1), 2000]
