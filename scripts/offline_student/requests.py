"""Short texts for a static student: spans, passages, and requests as people word them.

`python -m offline_student.requests CORPUS --out FOLDER` reads what `offline_student.gather` wrote
into the folder CORPUS, and writes texts.jsonl and queries.txt for `leaf-distill --static`. The same
corpus gives the same lines.

A table learns the meaning of a word in context only from many short texts. Requests ("i would like
information on ...", "how do i ...") teach it which words of a question say nothing. Python's own
documentation is drawn, but left out of what is written: benchmarks search it.
"""

import argparse
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from offline_student.gather import QUERIES, REPORT, TEXTS
from offline_student.queries import trimmed

LEFT_OUT = "python"
SEED = 7
TRIES = 20  # for each wanted text
MOST_WORDS = 32
SENTENCE = re.compile(r"(?<=[.!?…] )")
CLAUSE = re.compile(r"(?<=[.!?…;:] )")
# How often a source is drawn from: technical prose weighs more than its share of the texts.
WEIGHTS = {
    "packages": 5,
    "hamexam": 2.5,
    "kicad": 2,
    "foldoc": 2,
    "python": 3,
    "debian": 1.5,
    "gcide": 2,
    "wordnet": 2,
    "factbook": 1,
    "sotu": 1,
    "moby-dick": 0.3,
    "mondo": 1.5,
    "uberon": 0.7,
    "cl": 0.3,
    "chebi": 0.6,
    "efo": 0.5,
    "pato": 0.3,
    "elements": 0.1,
    "jargon": 0.6,
    "vera": 0.2,
    "devil": 0.2,
    "gnome": 0.8,
    "handbook": 0.8,
}
TECHNICAL = ("packages", "hamexam", "kicad", "foldoc", "gcide")
TEMPLATES = (
    "i would like information on {}", "could you please give me articles about {}",
    "please supply information on {}", "i am looking for material on {}",
    "can you tell me about {}", "tell me more about {}", "i need to know about {}",
    "what do we know about {}", "what is known about {}", "are there any papers on {}",
    "papers dealing with {}", "articles on {}", "documents describing {}",
    "i want to read about {}", "find me something about {}", "give details of {}",
    "please explain {}", "explain {}", "what has been written about {}",
    "i would be pleased to receive information about {}", "have you anything on {}",
    "where can i find out about {}", "i am interested in {}",
    "information on {} would be welcome", "studies of {}", "the use of {}", "methods of {}",
    "the effect of {}", "how is {} done", "how do i {}", "how can i {}", "how do you {}",
    "how does {} work", "how would one go about {}", "what happens when {}", "what happens if {}",
    "why is {}", "why does {}", "when should i use {}", "when is {}", "which {}", "where is {}",
    "is it possible to {}", "can you {}", "does {}", "what is the difference between {} and {}",
    "what is the best way to {}", "what are the rules for {}", "what are {}", "what is {}",
    "what causes {}", "who uses {}", "how to {}", "{} and its applications", "{} please",
    "{} explained", "{} techniques", "a comparison of {} with {}",
    "the relation between {} and {}", "the influence of {} on {}",
    "what role does {} play in {}", "should i use {} or {}", "what is the meaning of {}",
    "i do not understand {}", "help me with {}", "a suitable reference on {}",
)  # fmt: skip
ASKING = (
    *("how", "what", "why", "when", "which", "where", "is", "can", "does", "who", "are", "could"),
    *("have", "should"),
)


@dataclass(frozen=True)
class Counts:
    """At most so many; `kept` of the first three together."""

    queries: int = 140_000
    spans: int = 200_000
    passages: int = 40_000
    kept: int = 114_688
    more_spans: int = 48_000
    requests: int = 48_000
    technical: int = 0  # spans, and as many requests


@dataclass(frozen=True)
class Short:
    """`sources` are where its words come from."""

    text: str
    is_query: bool
    sources: frozenset[str]


class Drawn:
    """Texts, each once whatever its capitals."""

    def __init__(self) -> None:
        self.kept: list[Short] = []
        self._seen: set[str] = set()

    def add(self, text: str, is_query: bool, sources: set[str]) -> None:
        if text and text.lower() not in self._seen:
            self._seen.add(text.lower())
            self.kept.append(Short(text, is_query, frozenset(sources)))

    def forget_after(self, count: int) -> None:
        self.kept = self.kept[:count]
        self._seen = {short.text.lower() for short in self.kept}


def draw(
    texts: Mapping[str, Sequence[str]],
    queries: Mapping[str, Sequence[str]],
    counts: Counts | None = None,
) -> Iterator[Short]:
    """`texts` and `queries` by their sources."""
    counts = counts or Counts()
    drawn = Drawn()
    ordinary(texts, queries, counts, drawn, random.Random(SEED))
    drawn.forget_after(counts.kept)
    chance = random.Random(SEED + 4)
    drawer = Drawer(texts, chance)
    more_spans(drawer, counts.more_spans, drawn, chance)
    requests(drawer, counts.requests, drawn, chance)
    chance = random.Random(SEED + 8)
    drawer = Drawer({name: texts[name] for name in TECHNICAL if name in texts}, chance)
    if counts.technical:
        more_spans(drawer, counts.technical, drawn, chance)
        requests(drawer, counts.technical, drawn, chance)
    yield from (short for short in drawn.kept if LEFT_OUT not in short.sources)


def ordinary(
    texts: Mapping[str, Sequence[str]],
    queries: Mapping[str, Sequence[str]],
    counts: Counts,
    drawn: Drawn,
    chance: random.Random,
) -> None:
    """Queries, spans of 2 to 12 words, and beginnings of texts, from all sources alike."""
    pairs = [(source, text) for source, some in texts.items() for text in some]
    asked = [(source, query) for source, some in queries.items() for query in some]
    chance.shuffle(pairs)
    chance.shuffle(asked)
    for source, query in asked[: counts.queries]:
        drawn.add(beginning(query), True, {source})
    for source, text in pairs[: counts.spans]:
        sentences = [part for part in SENTENCE.split(text) if part.strip()]
        span = " ".join(run(chance.choice(sentences).split(), 2, 12, chance)).strip(" ,;:.()")
        if span:
            drawn.add(span if chance.random() < 0.5 else span.lower(), True, {source})
    for source, text in pairs[counts.spans : counts.spans + counts.passages]:
        drawn.add(beginning(text), False, {source})
    chance.shuffle(drawn.kept)


def more_spans(drawer: "Drawer", count: int, drawn: Drawn, chance: random.Random) -> None:
    """Up to 16 words, weighted by source."""
    wanted = len(drawn.kept) + count
    for _ in range(TRIES * count):
        if len(drawn.kept) == wanted:
            return
        bounds = (4, 16) if chance.random() < 0.7 else (2, 6)
        drawn.add(drawer.span(*bounds) or "", True, drawer.used())


def requests(drawer: "Drawer", count: int, drawn: Drawn, chance: random.Random) -> None:
    """Such spans in templates."""
    wanted = len(drawn.kept) + count
    for _ in range(TRIES * count):
        if len(drawn.kept) == wanted:
            return
        template = chance.choice(TEMPLATES)
        gaps = template.count("{}")
        parts = [drawer.span(2, 9 if gaps == 1 else 5) for _ in range(gaps)]
        if not all(parts):
            continue
        text = template.format(*parts)
        text = text if chance.random() < 0.3 else text.lower()
        # The draw comes first, so that it does not depend on the template.
        if chance.random() < 0.3 and template.split()[0] in ASKING:
            text += "?"
        drawn.add(text, True, drawer.used())


class Drawer:
    def __init__(self, texts: Mapping[str, Sequence[str]], chance: random.Random) -> None:
        self._texts = texts
        self._chance = chance
        self._names = [name for name in WEIGHTS if name in texts]
        self._weights = [WEIGHTS[name] for name in self._names]
        self._used: set[str] = set()

    def used(self) -> set[str]:
        """Sources since the last call."""
        used, self._used = self._used, set()
        return used

    def span(self, least: int, most: int) -> str | None:
        """A run of words within a clause, without weak words at its ends."""
        for _ in range(20):
            source = self._chance.choices(self._names, self._weights)[0]
            self._used.add(source)
            text = self._chance.choice(self._texts[source])
            clauses = [part for part in CLAUSE.split(text) if part.count(" ") >= 2]
            if clauses:
                words = trimmed(
                    run(self._chance.choice(clauses).split(), least, most, self._chance)
                )
                if len(words) >= 2:
                    return " ".join(words)
        return None


def run(words: Sequence[str], least: int, most: int, chance: random.Random) -> Sequence[str]:
    length = chance.randint(least, most)
    start = chance.randint(0, max(0, len(words) - length))
    return words[start : start + length]


def beginning(text: str) -> str:
    return " ".join(text.split()[:MOST_WORDS])


def read_texts(corpus: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (corpus / TEXTS).read_text("utf-8").splitlines():
        record = json.loads(line)
        found.setdefault(record["source"], []).append(record["text"])
    return found


def read_queries(corpus: Path) -> dict[str, list[str]]:
    """They lie in the order of their sources, whose numbers the report has."""
    lines = iter((corpus / QUERIES).read_text("utf-8").splitlines())
    report = json.loads((corpus / REPORT).read_text("utf-8"))
    return {name: [next(lines) for _ in range(one["queries"])] for name, one in report.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m offline_student.requests")
    parser.add_argument("corpus", type=Path, help="folder that offline_student.gather wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--technical", type=int, default=0, metavar="N", help="N more spans")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    counts = Counts(technical=given.technical)
    shorts = list(draw(read_texts(given.corpus), read_queries(given.corpus), counts))
    with (given.out / TEXTS).open("w", encoding="utf-8") as texts:
        for short in shorts:
            if not short.is_query:
                texts.write(json.dumps({"text": short.text}, ensure_ascii=False) + "\n")
    asked = [short.text for short in shorts if short.is_query]
    (given.out / QUERIES).write_text("".join(f"{text}\n" for text in asked), "utf-8")
    print(f"{given.out}: {len(shorts) - len(asked):,} texts, {len(asked):,} queries")


if __name__ == "__main__":
    main()
