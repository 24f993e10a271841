"""Text to terms, as `lucene.standard` has it: words by Unicode's rules, in lower case, unstemmed.

The rules are those of UAX #29: "can't", "3.14" and "example.com" are one word each, "e-mail" is
two; every Han and Hiragana character is a word, and so is a run of Thai, Lao, Khmer or Burmese.
Punctuation and emoji are no words (Lucene keeps emoji).
"""

import functools

import tantivy

ANALYZER = "lucene.standard"


def _one_of(*classes: str) -> str:
    """A character of these word-break classes, with the marks that belong to it."""
    listed = "".join(rf"\p{{wb={each}}}" for each in classes)
    return rf"[{listed}]{_MARKS}"


def _joined(piece: str, joint: str) -> str:
    """Pieces, and single joints with a piece on either side."""
    return f"(?:{piece})+(?:{joint}(?:{piece})+)*"


_MARKS = r"[\p{wb=Extend}\p{wb=Format}\p{wb=ZWJ}]*"
_LETTERS = _joined(
    _one_of("ALetter", "Hebrew_Letter"), _one_of("MidLetter", "MidNumLet", "Single_Quote")
)
_NUMBERS = _joined(_one_of("Numeric"), _one_of("MidNum", "MidNumLet", "Single_Quote"))
_RUN = f"(?:(?:{_LETTERS}|{_NUMBERS})+|(?:{_one_of('Katakana')})+)"
_UNDERSCORE = _one_of("ExtendNumLet")
_WORD = f"(?:{_UNDERSCORE})*{_RUN}(?:(?:{_UNDERSCORE})+{_RUN})*(?:{_UNDERSCORE})*"
_IDEOGRAPH = rf"[\p{{Han}}\p{{Hiragana}}]{_MARKS}"
_UNSPACED = r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+"


@functools.cache
def analyzer() -> tantivy.TextAnalyzer:
    words = tantivy.Tokenizer.regex(f"{_WORD}|{_IDEOGRAPH}|{_UNSPACED}")
    return tantivy.TextAnalyzerBuilder(words).filter(tantivy.Filter.lowercase()).build()


def terms(text: str) -> list[str]:
    return analyzer().analyze(text)


def has_words(text: str) -> bool:
    return any(map(str.isalnum, text))
