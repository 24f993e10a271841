"""Descriptions of Debian's packages: the short lines and the paragraphs below them."""

import lzma
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from offline_student.fetch import Downloads, SourceMissing, call
from offline_student.material import Material, Origin, Term, paragraphs

LICENCE = "as each package of Debian main (Debian Free Software Guidelines)"
# Thousands of these differ in nothing but a name.
DULL = re.compile(r"transitional|dummy package|development files|debug symbols|language pack", re.I)
TARGETS = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(ORIGIN) $(COMPONENT)"]


def gather(downloads: Downloads) -> Material:
    base, suite = mirror(downloads.folder)
    content = translation(f"{base}dists/{suite}/main/i18n/Translation-en.xz")
    gathered = Material([Origin("descriptions of Debian main", suite, LICENCE)])
    for short, long in descriptions(content):
        gathered.texts += [short, *paragraphs(long)]
        term = re.split(r" \(| - ", short)[0]
        if term.count(" ") < 3:  # longer ones are phrases, no names
            gathered.terms.append(Term(term, "software"))
    return gathered


def mirror(folder: Path) -> tuple[str, str]:
    for line in call(TARGETS, "list of apt's mirrors", folder).splitlines():
        base, suite, origin, component = (line.split() + [""] * 4)[:4]
        if origin == "Debian" and component == "main" and "-" not in suite:
            return base, suite
    raise SourceMissing(
        "descriptions of Debian: apt's configuration names no mirror of Debian main"
    )


def translation(address: str) -> str:
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            return lzma.decompress(answer.read()).decode("utf-8")
    except (urllib.error.URLError, TimeoutError) as error:
        raise SourceMissing(
            f"descriptions of Debian: {address} cannot be read ({error})"
        ) from error


def descriptions(content: str) -> Iterator[tuple[str, str]]:
    for stanza in content.split("\n\n"):
        _, _, description = stanza.partition("Description-en: ")
        short, _, long = description.partition("\n")
        if short and not DULL.search(description):
            yield short.strip(), long
