"""The examples of any text cover it, and all runs agree on them."""

import random
from pydoc_data.topics import topics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafsearch.distill.data.examples import (
    Example,
    draw,
    examples_of,
    hold_out,
    passages_of,
    place_of,
    queries_of,
    sentences_of,
)

texts = st.lists(
    st.sampled_from(["A sentence.", "One more!", "\n\n", "一句话。", "no end", "x" * 50, " \t"])
    | st.text(max_size=30),
    max_size=12,
).map(" ".join)
longest = st.integers(1, 12)
seeds = st.integers(0, 2**32)
example = st.builds(Example, st.text(max_size=3), st.booleans(), st.integers(0, 2**32 - 1))
PYTHON = [part for topic in topics.values() for part in topic.split("\n\n") if part.strip()]


@given(texts, longest)
def test_passages_have_all_of_a_text_in_its_order_and_no_more_words_than_so_many(
    text: str, words: int
) -> None:
    found = [passage.text for passage in passages_of(sentences_of(text), words)]

    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(1 <= len(words_of(passage)) <= words for passage in found)


def words_of(text: str) -> list[str]:
    return [word for sentence in sentences_of(text) for word in sentence]


def test_sentences_stay_whole_where_they_fit() -> None:
    text = "One two three. Four five! Six seven eight nine ten eleven twelve. Thirteen"

    found = [passage.text for passage in passages_of(sentences_of(text), 5)]

    assert found == [
        "One two three. Four five!",
        "Six seven eight nine ten",
        "eleven twelve. Thirteen",
    ]


def test_texts_without_spaces_are_cut_as_well() -> None:
    text = "学生从老师那里学习。它不需要标签！" + "https://example.org/" + "a" * 100

    found = [passage.text for passage in passages_of(sentences_of(text), 10)]

    address = "https://example.org/" + "a" * 100  # counts as four words
    assert found == ["学生从老师那里学习。", "它不需要标签！", address]


@given(texts, st.sampled_from(["", "A title of words"]), longest, seeds)
def test_queries_are_titles_sentences_and_spans_of_the_text(
    text: str, title: str, words: int, seed: int
) -> None:
    chance = random.Random(seed)
    found = list(queries_of(sentences_of(text), title, words, chance))

    plain = " ".join(text.split())
    said = [query.text for query in found]
    assert all(query.is_query and query.text for query in found)
    assert all(len(words_of(one)) <= max(words, 8) for one in said)
    if title:
        assert said.pop(0) == " ".join(title.split()[:words])
    assert all(one in plain for one in said)


@given(st.lists(example), st.integers(1, 20), seeds)
def test_no_example_is_chosen_twice(examples: list[Example], most: int, seed: int) -> None:
    found = draw(examples, most, seed)

    assert len(found) == min(most, len(set(examples)))
    assert len(set(found)) == len(found)
    assert set(found) <= set(examples)


@given(st.lists(example), st.integers(1, 20), seeds)
def test_the_same_texts_and_seed_choose_the_same(
    examples: list[Example], most: int, seed: int
) -> None:
    assert draw(examples, most, seed) == draw(iter(examples), most, seed)


def test_another_seed_chooses_others() -> None:
    examples = [Example(text, is_query=False) for text in PYTHON]

    assert set(draw(examples, 100, seed=1)) != set(draw(examples, 100, seed=2))


@given(st.lists(example))
def test_held_out_texts_are_not_trained_on(examples: list[Example]) -> None:
    kept, out = hold_out(examples)

    assert set(kept).isdisjoint(out)
    assert not {examples[i].text for i in kept} & {examples[i].text for i in out}
    assert {examples[i].place for i in kept}.isdisjoint({examples[i].place for i in out})
    assert bool(out) == bool(examples)


@pytest.mark.parametrize(("count", "expected"), [(5_000, 100), (200_000, 1_000)])
def test_one_in_fifty_is_held_out_and_about_a_thousand_at_most(count: int, expected: int) -> None:
    examples = [Example(str(n), is_query=False, place=place_of(str(n))) for n in range(count)]

    kept, out = hold_out(examples)

    assert expected * 0.7 < len(out) < expected * 1.3
    assert len(kept) + len(out) == count


def test_no_part_of_a_held_out_stretch_is_trained_on() -> None:
    chance = random.Random(1)
    sentences = (" ".join(str(9 * n + word) for word in range(9)) for n in range(9_000))
    text = ". ".join(sentences)
    examples = draw(examples_of(text, "", 32, chance), 50_000, seed=1)

    kept, out = hold_out(examples)

    words = [
        {word.strip(".") for i in some for word in examples[i].text.split()} for some in (kept, out)
    ]
    assert len(words[1]) > 500
    assert words[0].isdisjoint(words[1])
