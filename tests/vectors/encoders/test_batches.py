import random
from collections.abc import Sequence

import numpy as np
import pytest

from leafsearch.vectors import load_tokenizer
from leafsearch.vectors.encoders.batches import Tokenized, batch_tokens

TOKENIZER = load_tokenizer("hashing:8")  # a token is a word


def words(count: int) -> str:
    return " ".join(["word"] * count)


def tokenize(texts: Sequence[str]) -> Tokenized:
    tokens = [np.array(encoding.ids) for encoding in TOKENIZER.encode_batch_fast(texts)]
    return Tokenized(texts, tokens)


@pytest.mark.parametrize("count", [0, 1, 7, 1500])
def test_every_text_is_in_one_batch(count: int) -> None:
    texts = [words(random.Random(n).randint(0, 300)) for n in range(count)]

    batches = list(batch_tokens(texts, tokenize, 2000))

    assert sorted(i for batch in batches for i in batch.indices) == list(range(count))
    for batch in batches:
        assert batch.texts == tuple(texts[i] for i in batch.indices)
        assert list(map(len, batch.tokens)) == [len(texts[i].split()) for i in batch.indices]


def test_a_batch_has_a_bounded_number_of_tokens_and_little_padding() -> None:
    texts = [words(random.Random(n).randint(8, 256)) for n in range(1500)]

    batches = list(batch_tokens(texts, tokenize, 2000))

    computed = [len(batch.tokens) * len(batch.tokens[0]) for batch in batches]
    tokens = sum(len(text.split()) for text in texts)
    assert max(computed) <= 2000
    assert sum(computed) < 1.03 * tokens
    assert len(batches) < 1.1 * tokens / 2000 + 1


def test_a_text_longer_than_a_batch_is_alone() -> None:
    texts = [words(10), words(5000), words(20)]

    batches = list(batch_tokens(texts, tokenize, 100))

    assert [batch.indices for batch in batches] == [(1,), (2, 0)]


def test_a_batch_can_be_halved() -> None:
    (batch,) = batch_tokens([words(n) for n in range(1, 6)], tokenize, 100)

    first, second = batch.halves()

    assert first.indices + second.indices == batch.indices == (4, 3, 2, 1, 0)
    assert first.texts == (words(5), words(4))
