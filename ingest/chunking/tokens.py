"""How many tokens a text has, without those that frame it."""

from collections.abc import Iterable

from tokenizers import Tokenizer


class Tokens:
    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def count(self, text: str) -> int:
        return self.counts([text])[0] if text else 0

    def counts(self, texts: Iterable[str]) -> list[int]:
        """In one call, which the library spreads over the processor's cores."""
        given = list(texts)
        if not given:
            return []
        found = self._tokenizer.encode_batch_fast(given, add_special_tokens=False)
        return [len(encoding) for encoding in found]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Where each token begins and ends in the text."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        found: list[tuple[int, int]] = encoding.offsets
        return found
