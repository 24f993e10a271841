"""Texts as the tokens of a static student, and the rows that these begin with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from leafsearch.vectors import Rows
from leafsearch.vectors.encoders import TransformerEncoder

_TOGETHER = 8_192  # texts tokenised at once
_RARE = 1e-4  # share of all tokens at which a token's weight is a half


@dataclass(frozen=True)
class TokenLists:
    """The tokens of many texts, without special ones, one after the other."""

    ids: NDArray[np.int64]
    ends: NDArray[np.int64]  # (n + 1,), where each text ends; begins with 0

    @classmethod
    def of(cls, tokenizer: Tokenizer, texts: Sequence[str], most: int) -> "TokenLists":
        found: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        lengths = [0]
        for start in range(0, len(texts), _TOGETHER):
            some = list(texts[start : start + _TOGETHER])
            for encoding in tokenizer.encode_batch_fast(some, add_special_tokens=False):
                found.append(np.array(encoding.ids[:most], dtype=np.int64))
                lengths.append(len(found[-1]))
        return cls(np.concatenate(found), np.cumsum(lengths))

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.ends)

    def take(self, texts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The tokens of these texts, and where each begins among them."""
        lengths = self.lengths[texts]
        begins = np.cumsum(lengths) - lengths
        places = np.repeat(self.ends[texts] - begins, lengths) + np.arange(lengths.sum())
        return self.ids[places], begins


def first_rows(
    teacher: TransformerEncoder, tokenizer: Tokenizer, lists: TokenLists
) -> NDArray[np.float32]:
    """The teacher's own vector of each token, less their mean, and shorter for frequent tokens.

    Tokens that stand for no text (special ones, the unknown one) get a row of zeros.
    """
    texts = token_texts(tokenizer)
    known = [id for id, text in enumerate(texts) if text]
    rows: Rows = np.zeros((len(texts), teacher.dimensions), dtype=np.float32)
    rows[known] = teacher.encode_documents([texts[id] for id in known])
    rows[known] -= rows[known].mean(axis=0)
    counts = np.bincount(lists.ids, minlength=len(texts))
    shares = counts / max(1, counts.sum())
    weights = _RARE / (_RARE + shares)
    return np.asarray(rows * weights[:, None], dtype=np.float32)


def token_texts(tokenizer: Tokenizer) -> list[str]:
    """What each id stands for, empty for nothing."""
    special = {id for id, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    special |= {id for id in _unknown(tokenizer) if id is not None}
    known = tokenizer.get_vocab()
    texts = [""] * (max(known.values()) + 1)
    model = tokenizer.model
    inside = model.continuing_subword_prefix if isinstance(model, WordPiece) else None
    for token, id in known.items():
        if id not in special:
            text = token.removeprefix(inside) if inside else tokenizer.decode([id])
            texts[id] = text.strip()
    return texts


def _unknown(tokenizer: Tokenizer) -> Iterator[int | None]:
    named = getattr(tokenizer.model, "unk_token", None)
    for name in [named] if named else ["[UNK]", "<unk>"]:
        yield tokenizer.token_to_id(name)
