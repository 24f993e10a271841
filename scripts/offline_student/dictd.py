"""Dictionaries in dictd's format: an index of offsets, and definitions in plain text.

Definitions are split into senses, without etymologies, pronunciations and citations. Each sense is
given with its word in front, as a dictionary prints it, and alone.
"""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from offline_student.fetch import Downloads
from offline_student.material import Material, Origin, Term, clean, pieces

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
VALUES = {digit: value for value, digit in enumerate(DIGITS)}
BRACKETS = re.compile(r"\[[^\[\]]*\]|\(\d{4}-\d\d-\d\d\)")  # etymology, source; date
QUOTED = re.compile(
    r"--[A-Z1-4][^\n.]*(?:\n\s+[^\n.]{0,20})?\."  # --Shak.
    r"(?:\s?[A-Z][^\n.]{0,15}\.(?=\s*(?:\n|$)))?"  # --Jer. Taylor.
    r"(?:\s*[ivxlc]+\.\s*[\d, -]*\.?)?"  # --Ps. xxxii. 4.
)
SENSE = re.compile(r"(?:^|\s)(?:\d{1,2}\.|\([a-z]\))\s")
SUBENTRY = re.compile(r"\s*\{([^{}]+)\}[,.]?\s+(?=[\w(])")
GRAMMAR = re.compile(r"^(?:/[^/]+/,?|(?:n|adj|v|vt|vi|vi,vt|interj|adv|prep|excl)\.|[;,&])\s*")
SUBJECT = re.compile(r"^\([A-Z][\w.,& ]*\)[,:]?\s*")  # (Physiol. Chem.)


@dataclass(frozen=True)
class Dictionary:
    name: str
    package: str
    licence: str
    domain: str = "thing"

    def gather(self, downloads: Downloads) -> Material:
        unpacked = downloads.debian(self.package)
        origin = Origin(unpacked.package, unpacked.version, self.licence)
        return self.material(unpacked.root / "usr/share/dictd", origin)

    def material(self, folder: Path, origin: Origin) -> Material:
        gathered = Material([origin])
        for word, definition in entries(folder, self.name):
            gathered.terms.append(Term(word, self.domain))
            for term, sense in senses(word, definition):
                gathered.texts += [sense, f"{term}: {sense}"] if term else [sense]
                if term and term != word:
                    gathered.terms.append(Term(term, self.domain))
        return gathered


def entries(folder: Path, name: str) -> Iterator[tuple[str, str]]:
    content = gzip.decompress((folder / f"{name}.dict.dz").read_bytes())
    seen = set()
    for line in (folder / f"{name}.index").read_text("utf-8", "replace").splitlines():
        word, offset, length = line.split("\t")[:3]
        start = number(offset)
        if start in seen or word.startswith("00"):  # 00-database-info
            continue
        seen.add(start)
        head, _, body = stripped(content[start : start + number(length)]).partition("\n")
        head, _, begun = head.partition("  ")  # ABASEMENT, n.  A decent and customary ...
        body = f"{begun}\n{body}"
        yield clean(re.split(r"[\\,;(]", head)[0]) or word, body


def number(digits: str) -> int:
    """Decode base 64, most significant digit first."""
    value = 0
    for digit in digits:
        value = value * 64 + VALUES[digit]
    return value


def stripped(definition: bytes) -> str:
    text = definition.decode("utf-8", "replace").strip()
    return QUOTED.sub("", BRACKETS.sub("", BRACKETS.sub("", text)))  # one within the other


def senses(word: str, body: str) -> Iterator[tuple[str, str]]:
    """What is defined, and how; paragraphs that only carry on have no word."""
    term = word
    for block in re.split(r"\n\s*\n", body):
        if found := SUBENTRY.match(block):
            term, block = found[1], block[found.end() :]
        text = GRAMMAR.sub("", GRAMMAR.sub("", clean(block.replace("{", "").replace("}", ""))))
        if text.startswith(("Syn:", "See ", "Compare ")):
            continue
        for sense in SENSE.split(text):
            for piece in pieces(SUBJECT.sub("", sense.strip(" ;,"))):
                if any(map(str.isalpha, piece)):
                    yield term, piece
        term = word if SENSE.match(text) else ""
