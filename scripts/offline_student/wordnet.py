"""WordNet: each synset as words with their gloss, and each of the two alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from offline_student.fetch import Downloads
from offline_student.material import Material, Origin, Term

FILES = ("data.adj", "data.adv", "data.noun", "data.verb")
LICENCE = "WordNet 3.0 licence (Princeton, permissive)"
# Numbers of lexicographer files, wndb(5WN), whose nouns allow more than the general questions.
DOMAINS = {"05": "nature", "08": "body", "13": "food", "17": "nature", "18": "person"}
DOMAINS |= {"19": "nature", "20": "nature", "26": "state", "27": "substance", "15": "place"}


@dataclass(frozen=True)
class Synset:
    words: list[str]
    domain: str
    definition: str
    examples: list[str]


def gather(downloads: Downloads) -> Material:
    unpacked = downloads.debian("wordnet-base")
    origin = Origin(unpacked.package, unpacked.version, LICENCE)
    return material(unpacked.root / "usr/share/wordnet", origin)


def material(folder: Path, origin: Origin) -> Material:
    gathered = Material([origin])
    for name in FILES:
        for synset in synsets((folder / name).read_text("utf-8")):
            gathered.texts += texts(synset)
            gathered.terms += [Term(word, synset.domain) for word in synset.words]
    return gathered


def synsets(content: str) -> Iterator[Synset]:
    for line in content.splitlines():
        if line.startswith("  ") or " | " not in line:  # the licence stands on top
            continue
        fields, _, gloss = line.partition(" | ")
        _, lexfile, kind, count, *rest = fields.split(" ")
        words = [word_of(word) for word in rest[: 2 * int(count, 16) : 2]]
        definition, *examples = gloss.strip().split('; "')
        quoted = [example.strip().strip('"') for example in examples]
        yield Synset(words, domain_of(lexfile, kind), definition.strip(), quoted)


def word_of(field: str) -> str:
    return field.partition("(")[0].replace("_", " ")  # adjectives: galore(ip)


def domain_of(lexfile: str, kind: str) -> str:
    if kind == "n":
        return DOMAINS.get(lexfile, "thing")
    return "action" if kind == "v" else "quality"


def texts(synset: Synset) -> Iterator[str]:
    words = ", ".join(synset.words)
    yield f"{words}: {synset.definition}"
    yield synset.definition
    yield from synset.examples
    if len(synset.words) > 1:
        yield words
