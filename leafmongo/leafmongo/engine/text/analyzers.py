"""Analyzers: how `lucene.standard` and the languages of Lucene turn a text into terms.

`lucene.standard` gives words by Unicode's rules, in lower case, unstemmed. The rules are those of
UAX #29: "can't", "3.14" and "example.com" are one word each, "e-mail" is two; every Han and
Hiragana character is a word, and so is a run of Thai, Lao, Khmer or Burmese. Punctuation and emoji
are not words (Lucene keeps emoji).

A language also leaves out its stop words and reduces words to their stems, by Snowball's rules:
"running" and "runs" become "run". Lucene's own stemmers of some languages differ a little, and
tantivy knows no stop words of Arabic, Greek, Romanian and Turkish. French and Italian words lose
their article: "l'avion" is found as "avion".
"""

import functools
import re
from collections.abc import Callable

import tantivy

STANDARD = "lucene.standard"
_WITH_STOP_WORDS = (
    *("danish", "dutch", "english", "finnish", "french", "german", "hungarian", "italian"),
    *("norwegian", "portuguese", "russian", "spanish", "swedish"),
)
_STEMMED_ONLY = ("arabic", "greek", "romanian", "turkish")
ANALYZERS = (STANDARD, *(f"lucene.{name}" for name in sorted((*_WITH_STOP_WORDS, *_STEMMED_ONLY))))
_ELIDED = {
    "french": "l m t qu n s j d c jusqu quoiqu lorsqu puisqu",
    "italian": "c l all dall dell nell sull coll pell gl agl dagl degl negl sugl un m t s v d",
}


def _one_of(*classes: str) -> str:
    """A character of these word-break classes with its combining marks."""
    listed = "".join(rf"\p{{wb={each}}}" for each in classes)
    return rf"[{listed}]{_MARKS}"


def _join(piece: str, joint: str) -> str:
    """Pieces, with single joints between pieces."""
    return f"(?:{piece})+(?:{joint}(?:{piece})+)*"


_MARKS = r"[\p{wb=Extend}\p{wb=Format}\p{wb=ZWJ}]*"
_LETTERS = _join(
    _one_of("ALetter", "Hebrew_Letter"), _one_of("MidLetter", "MidNumLet", "Single_Quote")
)
_NUMBERS = _join(_one_of("Numeric"), _one_of("MidNum", "MidNumLet", "Single_Quote"))
_RUN = f"(?:(?:{_LETTERS}|{_NUMBERS})+|(?:{_one_of('Katakana')})+)"
_UNDERSCORE = _one_of("ExtendNumLet")
_WORD = f"(?:{_UNDERSCORE})*{_RUN}(?:(?:{_UNDERSCORE})+{_RUN})*(?:{_UNDERSCORE})*"
_IDEOGRAPH = rf"[\p{{Han}}\p{{Hiragana}}]{_MARKS}"
_UNSPACED = r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+"


def terms(text: str, analyzer: str = STANDARD) -> list[str]:
    return tokenizer(analyzer).analyze(preparation(analyzer)(text))


@functools.cache
def tokenizer(analyzer: str) -> tantivy.TextAnalyzer:
    """What makes terms of a prepared text."""
    words = tantivy.Tokenizer.regex(f"{_WORD}|{_IDEOGRAPH}|{_UNSPACED}")
    builder = tantivy.TextAnalyzerBuilder(words).filter(tantivy.Filter.lowercase())
    if analyzer != STANDARD:
        language = analyzer.removeprefix("lucene.")
        if language in _WITH_STOP_WORDS:
            builder = builder.filter(tantivy.Filter.stopword(language))
        builder = builder.filter(tantivy.Filter.stemmer(language))
    return builder.build()


@functools.cache
def preparation(analyzer: str) -> Callable[[str], str]:
    """What changes a text before its words are found."""
    elided = _ELIDED.get(analyzer.removeprefix("lucene."))
    if elided is None:
        return str
    articles = "|".join(elided.split())
    return functools.partial(re.compile(rf"\b(?:{articles})['’]", re.IGNORECASE).sub, " ")
