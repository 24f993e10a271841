"""Chunks that follow each other, joined again to the text they were cut from."""

from collections.abc import Sequence

_SHORTEST = 12  # characters; less may be shared by chance


def joined(texts: Sequence[str]) -> str:
    """Texts of consecutive chunks as one, what they share by overlap only once."""
    whole = ""
    for text in texts:
        shared = _overlap(whole, text)
        between = "\n" if whole and not shared else ""
        whole += between + text[shared:]
    return whole


def _overlap(before: str, after: str) -> int:
    """Length of the longest beginning of `after` that `before` ends with, of whole words."""
    for length in range(min(len(before), len(after)), _SHORTEST - 1, -1):
        whole_words = after[length : length + 1].strip() == "" and (
            length == len(before) or before[-length - 1].isspace()
        )
        if whole_words and before.endswith(after[:length]):
            return length
    return 0
