"""A tokenizer for a static student: the teacher's, with whole words that it would cut."""

import json
from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from leafsearch.distill.errors import DistillError

_LEAST = 4  # texts with a word that becomes an entry
_MOST_LETTERS = 30


def grow(tokenizer: Tokenizer, texts: Iterable[str], size: int) -> Tokenizer:
    """A copy with up to `size` entries: the words of the most texts that have no entry yet.

    WordPiece takes the longest entry that fits, so such a word becomes one token. Raises
    DistillError for another kind of tokenizer.
    """
    grown = json.loads(tokenizer.to_str())
    if not isinstance(tokenizer.model, WordPiece):
        raise DistillError(
            f"--vocabulary: the teacher's tokenizer is {grown['model'].get('type')}; expected "
            "WordPiece, as BERT's. Leave the option out"
        )
    known = tokenizer.get_vocab()
    first = max(known.values()) + 1
    words = new_words(tokenizer, texts, known, max(0, size - first))
    grown["model"]["vocab"].update({word: first + n for n, word in enumerate(words)})
    return Tokenizer.from_str(json.dumps(grown))


def new_words(
    tokenizer: Tokenizer, texts: Iterable[str], known: dict[str, int], most: int
) -> list[str]:
    counted: Counter[str] = Counter()
    for text in texts:
        if tokenizer.normalizer:
            text = tokenizer.normalizer.normalize_str(text)
        parts = (
            [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]
            if tokenizer.pre_tokenizer
            else text.split()
        )
        counted.update(set(parts))
    wanted = [
        word
        for word, texts_with_it in counted.items()
        if texts_with_it >= _LEAST
        and word not in known
        and word.isalpha()
        and len(word) <= _MOST_LETTERS
    ]
    return sorted(wanted, key=lambda word: (-counted[word], word))[:most]
