"""What the HTML reader keeps: blocks and headings, but no menus, and the text of news.

Beside it, in the same run: trafilatura with its defaults, and the plain text of the page.
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import trafilatura
from benchmarks.html_corpora import Article, Corpora, Pages, news
from benchmarks.html_navigation import CONTENTS, HIDDEN, MENUS, PERMALINKS
from benchmarks.measuring import circumstances
from lxml import html as parser
from lxml.cssselect import CSSSelector

from leafsearch.ingest import Document
from leafsearch.ingest.sources.readers import Whole
from leafsearch.ingest.sources.readers.html import read_html

BLOCKS = frozenset(
    ["h1", "h2", "h3", "h4", "h5", "h6", "p", "li", "pre", "td", "dt", "dd", "figcaption"]
)
HEADINGS = frozenset(f"h{level}" for level in range(1, 7))
Way = Callable[[bytes], str]
_SIGNS = re.compile(r"[\W_]+")
_FENCE = re.compile(r"^([ >]*`{3,})[^`\n]*$", re.MULTILINE)  # its language is no text of the page
_NUMBER = re.compile(r"^[ >-]*[0-9]+\. ", re.MULTILINE)  # of a list
_WORDS = re.compile(r"\w+")


def ours(raw: bytes) -> str:
    (found,) = read_html(BytesIO(raw), Whole("page.html", "page.html"))
    return found.text if isinstance(found, Document) else ""


def library(raw: bytes) -> str:
    return trafilatura.extract(raw, output_format="markdown") or ""


def plain(raw: bytes) -> str:
    page = _parsed(raw)
    _drop(page, HIDDEN)
    return "\n".join(part for part in page.itertext() if part.strip())


SMALL = ("debian-faq", "developers-reference", "git-doc")

WAYS: Mapping[str, Way] = {"leafsearch": ours, "trafilatura": library, "plain text": plain}


@dataclass(frozen=True)
class Expected:
    """What one page should give: `blocks` and `headings` in order, `menus` nowhere."""

    blocks: Sequence[str]
    headings: Sequence[tuple[int, str]]
    menus: Sequence[str]
    rest: str  # words outside menus


def expected(raw: bytes, generator: str) -> Expected:
    page = _parsed(raw)
    _drop(page, HIDDEN)
    _drop(page, PERMALINKS)
    menus = list(_strings(page, MENUS[generator]))
    _drop(page, MENUS[generator])
    rest = _worded(" ".join(page.itertext()))
    _drop(page, CONTENTS[generator])
    blocks = [
        (e.tag, letters) for e in page.iter(*BLOCKS) if (letters := _letters(e.text_content()))
    ]
    headings = [(int(tag[1]), text) for tag, text in blocks if tag in HEADINGS]
    return Expected([text for _, text in blocks], headings, menus, rest)


def _parsed(raw: bytes) -> Any:
    lenient = parser.HTMLParser(
        huge_tree=True, remove_comments=True, remove_pis=True, encoding=_charset(raw)
    )
    return parser.document_fromstring(raw, parser=lenient)


def _charset(raw: bytes) -> str | None:
    """None: the page declares one."""
    return (
        None if re.search(rb"<meta[^>]+charset|encoding=", raw[:4096], re.IGNORECASE) else "utf-8"
    )


def _drop(page: Any, selectors: Sequence[str]) -> None:
    for element in _selected(page, selectors):
        if element.getparent() is not None:
            element.drop_tree()


def _selected(page: Any, selectors: Sequence[str]) -> list[Any]:
    return CSSSelector(", ".join(selectors), translator="html")(page) if selectors else []


def _strings(page: Any, selectors: Sequence[str]) -> Iterator[str]:
    """The texts of links and lines under these elements, each element once."""
    seen = set()
    for element in _selected(page, selectors):
        for part in element.itertext():
            key = id(element), part
            if (words := _worded(part)) and len(words) > 3 and key not in seen:
                seen.add(key)
                yield words


def _letters(text: str) -> str:
    return _SIGNS.sub("", text).casefold()


def _worded(text: str) -> str:
    return " ".join(_WORDS.findall(text.casefold()))


@dataclass
class Figures:
    """Counts over the pages of a set."""

    blocks: int = 0
    found: int = 0
    headings: int = 0
    headings_found: int = 0
    menus: int = 0
    menus_kept: int = 0
    worst: float = 1.0
    seconds: float = 0.0
    pages: int = 0
    lost: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def add(self, wanted: Expected, text: str) -> None:
        bare = _FENCE.sub(r"\1", text)
        forms = [_letters(t) for t in (text, bare, _NUMBER.sub("", text), _NUMBER.sub("", bare))]
        lost = [b for b in wanted.blocks if not any(b in letters for letters in forms)]
        self.lost += lost
        self.blocks += len(wanted.blocks)
        self.found += (found := len(wanted.blocks) - len(lost))
        if wanted.blocks:
            self.worst = min(self.worst, found / len(wanted.blocks))
        self.headings += len(wanted.headings)
        self.headings_found += _in_order(wanted.headings, _headings_of(text))
        words, rest = f" {_worded(bare)} ", f" {wanted.rest} "
        kept = [m for m in wanted.menus if words.count(f" {m} ") > rest.count(f" {m} ")]
        self.menus += len(wanted.menus)
        self.menus_kept += len(kept)
        self.kept += kept
        self.pages += 1

    def row(self) -> dict[str, float | None]:
        return {
            "recall": self.found / self.blocks if self.blocks else None,
            "worst_page": self.worst,
            "headings": self.headings_found / self.headings if self.headings else None,
            "menus_kept": self.menus_kept / self.menus if self.menus else None,
            "pages": self.pages,
            "blocks": self.blocks,
            "pages_per_second": self.pages / self.seconds if self.seconds else None,
        }


def _headings_of(text: str) -> list[tuple[int, str]]:
    outside = re.sub(r"^(```+|~~~+).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"^(#{1,6}) +(.*)$", outside, re.MULTILINE)
    return [(len(signs), _letters(words)) for signs, words in found]


def _in_order(wanted: Sequence[tuple[int, str]], found: Sequence[tuple[int, str]]) -> int:
    """How many are there with their level; a heading counts once, in the order of the page."""
    at, hits = 0, 0
    for heading in wanted:
        try:
            at = found.index(heading, at) + 1
        except ValueError:
            continue
        hits += 1
    return hits


def documentation(sets: Sequence[Pages], way: Way) -> dict[str, Figures]:
    measured = {}
    for pages in sets:
        figures = measured[pages.name] = Figures()
        for raw in pages.pages:
            start = time.perf_counter()
            text = way(raw)
            figures.seconds += time.perf_counter() - start
            figures.add(expected(raw, pages.generator), text)
    return measured


def article_figures(articles: Sequence[Article], way: Way) -> dict[str, float]:
    """Precision and recall of runs of four words, averaged over pages."""
    precisions, recalls = [], []
    start = time.perf_counter()
    texts = [way(article.page) for article in articles]
    seconds = time.perf_counter() - start
    for article, text in zip(articles, texts, strict=True):
        precision, recall = compared(article.text, text)
        precisions.append(precision)
        recalls.append(recall)
    p, r = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return {
        "f1": 2 * p * r / (p + r),
        "precision": p,
        "recall": r,
        "pages": len(articles),
        "pages_per_second": len(articles) / seconds,
    }


def compared(true: str, found: str) -> tuple[float, float]:
    a, b = _runs(true), _runs(found)
    hits = sum((a & b).values())
    more, less = sum((b - a).values()), sum((a - b).values())
    if not more and not less:
        return 1.0, 1.0
    if not hits:
        return 0.0, 0.0
    return hits / (hits + more), hits / (hits + less)


def _runs(text: str) -> Counter[tuple[str, ...]]:
    words = _WORDS.findall(text)
    return Counter(tuple(words[i : i + 4]) for i in range(max(1, len(words) - 3)))


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}" if value <= 1 else f"{value:,.0f}"


def main() -> None:
    given = _arguments()
    only = given.only or (SMALL if given.small else ())
    corpora = Corpora(3 if given.small else 40, only)
    sets = list(corpora.documentation())
    results: dict[str, Any] = {"documentation": {}, "news": {}, "missing": corpora.missing}
    for name, why in corpora.missing.items():
        print(f"{name}: skipped, {why}")
    for way in given.way:
        found = documentation(sets, WAYS[way])
        rows = {name: figures.row() for name, figures in found.items()}
        rows["all"] = _summed(found.values()).row()
        results["documentation"][way] = rows
        print(f"\n{way:<32}{'recall':>8}{'worst':>8}{'heads':>8}{'menus':>8}{'pages/s':>9}")
        for name, row in rows.items():
            names = ("recall", "worst_page", "headings", "menus_kept", "pages_per_second")
            cells = "".join(f"{_cell(row[n]):>8}" for n in names)
            print(f"{name:<32}{cells}", flush=True)
        if given.show and way == "leafsearch":
            _show(found)
    if not given.only and (given.news or not given.show):
        halves = news(5 if given.small else 1000)
        if not any(halves):
            print("news: skipped, LEAF_TEST_DATA has no folder news/")
        for way in given.way:
            for half, articles in zip(("developed on", "held out"), halves, strict=True):
                if not articles:
                    continue
                row = article_figures(articles, WAYS[way])
                results["news"].setdefault(way, {})[half] = row
                print(
                    f"news, {half}: {way:<14}" + "".join(f"  {k} {v:.3f}" for k, v in row.items())
                )
    if given.json:
        given.json.write_text(
            json.dumps(
                {**circumstances("trafilatura", "html-to-markdown", "lxml"), **results}, indent=2
            )
        )


def _summed(parts: Any) -> Figures:
    total = Figures()
    for part in parts:
        for name in ("blocks", "found", "headings", "headings_found", "menus", "menus_kept"):
            setattr(total, name, getattr(total, name) + getattr(part, name))
        total.seconds += part.seconds
        total.pages += part.pages
        total.worst = min(total.worst, part.worst)
    return total


def _show(found: Mapping[str, Figures]) -> None:
    for name, figures in found.items():
        for what, examples in (("lost", figures.lost), ("kept", figures.kept)):
            for example, times in Counter(examples).most_common(12):
                print(f"  {name}: {what} {times}x {example[:90]}")


def _arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    options.add_argument("--small", action="store_true")
    options.add_argument("--json", type=Path, metavar="FILE")
    options.add_argument("--only", nargs="+", metavar="SET")
    options.add_argument("--show", action="store_true", help="print what was lost and kept")
    options.add_argument("--news", action="store_true")
    options.add_argument("--way", nargs="+", choices=WAYS, default=list(WAYS))
    return options.parse_args()


if __name__ == "__main__":
    main()
