"""A text index: changes against a model, order, removal of dead rows, threads."""

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tantivy")

from leafmongo.engine.text import (
    TextIndex,
    contents,
    parse_text_definition,
    parse_text_query,
    postings,
)

FIELDS = {"a": {"type": "string"}, "b": {"type": "string"}, "n": {"type": "number"}}
WORDS = ("fox", "hen", "cow")


def made() -> TextIndex:
    return TextIndex(parse_text_definition({"mappings": {"fields": FIELDS}}))


def document(id_: int, value: int) -> dict[str, Any]:
    """A document without text for 0, with text at one path for 1, at both for others."""
    found: dict[str, Any] = {"_id": id_, "n": value}
    if value:
        found["a"] = WORDS[value % 3]
    return {**found, "b": "pig"} if value > 1 else found


def asked(index: TextIndex, **operator: Any) -> list[Any]:
    return [match.id for match in index.search(parse_text_query(operator))]


def having(index: TextIndex, word: str) -> list[Any]:
    """All documents in order of insertion, found by a filter with equal scores."""
    words = {"text": {"path": ["a", "b"], "query": word}}
    return asked(index, compound={"filter": [words]})


upserts = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=6)
removals = st.lists(st.integers(0, 7), max_size=4)
steps = st.lists(
    st.one_of(
        upserts.map(lambda given: ("upsert", given)),
        removals.map(lambda given: ("remove", given)),
        st.just(("clear", [])),
        st.just(("search", [])),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(steps, st.sampled_from([0, 3, 1000]), st.sampled_from([1, 3, 1000]))
def test_any_sequence_of_changes_agrees_with_a_dict(steps: Any, few: int, many: int) -> None:
    """Dead rows are removed and postings written at once, later or only by searches."""
    index, model = made(), dict[int, int]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contents, "_FEW", few)
        patch.setattr(postings, "_MANY", many)
        for action, given in steps:
            if action == "upsert":
                index.upsert_many(document(*each) for each in given)
                for id_, value in given:
                    model.pop(id_, None)
                    model[id_] = value
            elif action == "remove":
                index.remove_many(given)
                model = {id_: value for id_, value in model.items() if id_ not in given}
            elif action == "clear":
                index.clear()
                model = {}
            else:
                having(index, "fox")

    for number, word in enumerate(WORDS):
        assert having(index, word) == [i for i, v in model.items() if v and v % 3 == number]
    assert having(index, "pig") == [id_ for id_, value in model.items() if value > 1]
    assert asked(index, equals={"path": "n", "value": 2}) == [i for i, v in model.items() if v == 2]
    assert index.stats().documents == len(model)


def test_limit_bounds_the_hits() -> None:
    index = made()
    index.upsert_many({"_id": i, "a": "fox " * (i + 1)} for i in range(10))
    query = parse_text_query({"text": {"path": "a", "query": "fox"}})

    every = [match.id for match in index.search(query)]

    assert [match.id for match in index.search(query, 3)] == every[:3]
    assert [match.id for match in index.search(query, 99)] == every


def test_1_and_1_0_are_two_documents() -> None:
    index = made()
    index.upsert_many([{"_id": 1, "a": "fox"}, {"_id": 1.0, "a": "fox"}, {"_id": "1", "a": "fox"}])

    assert having(index, "fox") == [1, 1.0, "1"]


def test_empty_index_finds_nothing() -> None:
    index = made()

    assert having(index, "fox") == []
    assert asked(index, compound={"mustNot": [{"exists": {"path": "a"}}]}) == []
    assert index.stats().documents == 0


def test_query_without_words_finds_nothing() -> None:
    index = made()
    index.upsert_many([{"_id": 1, "a": "fox"}])

    assert having(index, "...") == []


def test_memory_grows_with_the_texts() -> None:
    index = made()
    index.upsert_many([{"_id": 1, "a": "fox " * 1000}])
    before = index.stats().bytes

    index.remove_many([1])

    assert before > 4000 > index.stats().bytes


def test_searches_and_changes_come_from_several_threads() -> None:
    index = made()
    index.upsert_many({"_id": i, "a": "fox"} for i in range(200))
    errors: list[Exception] = []

    def change(start: int) -> None:
        try:
            for i in range(start, start + 50):
                index.remove_many([i])
                index.upsert_many([{"_id": 1000 + i, "a": "fox"}])
                assert 196 <= len(having(index, "fox")) <= 200
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=change, args=(50 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert sorted(having(index, "fox")) == list(range(1000, 1200))
