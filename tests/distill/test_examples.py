"""Whatever a text looks like: its examples cover it, and all runs agree on them."""

import random
from pydoc_data.topics import topics

from hypothesis import given
from hypothesis import strategies as st

from distill.examples import Example, chosen, held_out, passages_of, queries_of

texts = st.lists(
    st.sampled_from(["A sentence.", "One more!", "\n\n", "一句话。", "no end", "x" * 50, " \t"])
    | st.text(max_size=30),
    max_size=12,
).map(" ".join)
longest = st.integers(1, 12)
seeds = st.integers(0, 2**32)
example = st.builds(Example, st.text(max_size=3), st.booleans())
PYTHON = [part for topic in topics.values() for part in topic.split("\n\n") if part.strip()]


@given(texts, longest)
def test_passages_have_all_words_in_their_order_and_no_more_than_so_many(
    text: str, words: int
) -> None:
    found = [passage.text.split(" ") for passage in passages_of(text, words)]

    assert [word for passage in found for word in passage] == text.split()
    assert all(1 <= len(passage) <= words for passage in found)


def test_sentences_stay_whole_where_they_fit() -> None:
    text = "One two three. Four five! Six seven eight nine ten eleven twelve. Thirteen"

    found = [passage.text for passage in passages_of(text, 5)]

    assert found == [
        "One two three. Four five!",
        "Six seven eight nine ten",
        "eleven twelve. Thirteen",
    ]


@given(texts, st.sampled_from(["", "A title of words"]), longest, seeds)
def test_queries_are_titles_sentences_and_spans_of_the_text(
    text: str, title: str, words: int, seed: int
) -> None:
    found = list(queries_of(text, title, words, random.Random(seed)))

    plain = " ".join(text.split())
    said = [query.text for query in found]
    assert all(query.is_query and query.text for query in found)
    assert all(len(one.split(" ")) <= max(words, 8) for one in said)
    if title:
        assert said.pop(0) == " ".join(title.split()[:words])
    assert all(one in plain for one in said)


@given(st.lists(example), st.integers(1, 20), seeds)
def test_no_example_is_chosen_twice(examples: list[Example], most: int, seed: int) -> None:
    found = chosen(examples, most, seed)

    assert len(found) == min(most, len(set(examples)))
    assert len(set(found)) == len(found)
    assert set(found) <= set(examples)


@given(st.lists(example), st.integers(1, 20), seeds)
def test_the_same_texts_and_seed_choose_the_same(
    examples: list[Example], most: int, seed: int
) -> None:
    assert chosen(examples, most, seed) == chosen(iter(examples), most, seed)


def test_another_seed_chooses_others() -> None:
    examples = [Example(text, is_query=False) for text in PYTHON]

    assert set(chosen(examples, 100, seed=1)) != set(chosen(examples, 100, seed=2))


@given(st.lists(example))
def test_what_is_held_out_is_not_trained_on(examples: list[Example]) -> None:
    kept, out = held_out(examples)

    assert sorted(kept + out) == list(range(len(examples)))
    assert not {examples[i].text for i in kept} & {examples[i].text for i in out}


def test_one_in_fifty_is_held_out_and_a_thousand_at_most() -> None:
    some = [Example(str(number), is_query=False) for number in range(5_000)]
    many = [Example(str(number), is_query=False) for number in range(60_000)]

    assert 70 < len(held_out(some)[1]) < 130
    assert len(held_out(many)[1]) == 1_000
