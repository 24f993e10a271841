"""What a source gives: texts, terms to make queries of, and where both come from."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

MIN_WORDS, MAX_WORDS = 3, 250

MARKUP = re.compile(
    r"<[/!?]?[a-zA-Z][^<>]{0,200}>"  # tags
    r"|https?://\S+|ftp://\S+|\b[\w.+-]+@[\w-]+\.[\w.]+"  # addresses
    r"|:[a-z:]+:(?=`)"  # roles of reStructuredText
    r"|`+|\*\*|__+|~~+|==+|--+(?=\s*$)"
)
SENTENCE_END = re.compile(r"(?<=[a-z0-9)\"'][.!?])\s+(?=[A-Z\"'(])")


@dataclass(frozen=True)
class Term:
    text: str
    domain: str = "thing"  # which templates of questions fit: a key of queries.TEMPLATES


@dataclass(frozen=True)
class Origin:
    package: str
    version: str
    licence: str


@dataclass
class Material:
    origins: list[Origin]
    texts: list[str] = field(default_factory=list)
    terms: list[Term] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)  # as somebody wrote them


def clean(text: str) -> str:
    """One line without markup and addresses."""
    return " ".join(MARKUP.sub(" ", text).split())


def is_prose(text: str) -> bool:
    """Whether this is English of the wanted length, as far as its characters can tell."""
    words = text.count(" ") + 1
    if not MIN_WORDS <= words <= MAX_WORDS:
        return False
    letters = sum(character.isascii() and character.isalpha() for character in text)
    return letters >= 0.7 * (len(text) - words + 1)


def is_term(text: str) -> bool:
    """Whether somebody might look this up: no formulas, no catalogue numbers, no phrases."""
    letters = sum(character.isalpha() or character in " -'" for character in text)
    short = 2 < len(text) <= 60 and text.count(" ") < 6 and "," not in text
    return short and text.isascii() and text[0].isalnum() and letters >= 0.85 * len(text)


def sentences(text: str) -> list[str]:
    return SENTENCE_END.split(text)


def paragraphs(text: str, most: int = MAX_WORDS) -> Iterator[str]:
    """Blocks between empty lines, those longer than a text may be cut at sentences."""
    for block in re.split(r"\n[ \t.]*\n", text):
        yield from pieces(clean(block), most)


def pieces(text: str, most: int = MAX_WORDS) -> Iterator[str]:
    piece: list[str] = []
    words = 0
    for sentence in sentences(text) if text else ():
        length = sentence.count(" ") + 1
        if piece and words + length > most:
            yield " ".join(piece)
            piece, words = [], 0
        piece.append(sentence)
        words += length
    if piece:
        yield " ".join(piece)


def distinct(texts: Iterable[str], seen: set[str]) -> list[str]:
    """Sorted, each once whatever its capitals; `seen` grows by what is returned."""
    kept = []
    for text in sorted(set(texts)):
        if (key := text.casefold()) not in seen:
            seen.add(key)
            kept.append(text)
    return kept
