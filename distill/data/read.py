"""Reads examples from files."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from leafsearch.distill.data.examples import Example, beginning, draw, examples_of, place_of
from leafsearch.distill.errors import DistillError
from leafsearch.ingest import Corpus, Fields, Rejected


@dataclass(frozen=True)
class Texts:
    """`paths` as leaf-ingest takes them; `queries` a file with a query a line, or JSON Lines.

    Takes at most `most` examples, of at most `words` words each. Without a file, or if
    `draws_always`, queries are drawn from the documents.
    """

    paths: Sequence[str]
    queries: Path | None
    fields: Fields
    most: int
    words: int
    seed: int
    draws_always: bool = False

    def problems(self) -> Iterator[str]:
        if not self.paths:
            yield "--texts: expected a file or folder of documents"
        yield from self.fields.problems()
        yield from Corpus(self.paths, self.fields).problems()
        if self.queries and not self.queries.is_file():
            yield f"--queries {self.queries}: no such file"
        if self.words < 1 or self.most < 1:
            yield "--words, --examples: expected 1 or more"

    def read(self, on_rejected: Callable[[Rejected], None]) -> list[Example]:
        """Raises DistillError if there is no text at all."""
        found = draw(self._all(on_rejected), self.most, self.seed)
        if not found:
            raise DistillError(f"no text found in {', '.join(self.paths)}")
        return found

    def _all(self, on_rejected: Callable[[Rejected], None]) -> Iterator[Example]:
        draws = self.draws_always or not self.queries
        chance = random.Random(self.seed) if draws else None
        for record in Corpus(self.paths, self.fields).records():
            if isinstance(record, Rejected):
                on_rejected(record)
                continue
            yield from examples_of(record.text, record.title, self.words, chance)
        if self.queries:
            yield from _read_queries(self.queries, self.words)


def _read_queries(file: Path, words: int) -> Iterator[Example]:
    """The queries in `file`. Raises DistillError if there are none."""
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DistillError(f"--queries {file}: cannot be read: {error}") from error
    in_json = _is_json(next((line for line in lines if line.strip()), ""))
    texts = [
        _query(line, f"--queries {file}:{n}") if in_json else line
        for n, line in enumerate(lines, start=1)
    ]
    found = [cut for text in texts if (cut := beginning(text, words))]
    if not found:
        raise DistillError(f"--queries {file}: empty; expected a query a line")
    yield from (Example(text, True, place_of(text)) for text in found)


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _query(line: str, place: str) -> str:
    if not line.strip():
        return ""
    try:
        record = json.loads(line)
    except ValueError as error:
        raise DistillError(f"{place}: not JSON, as the first line is: {error}") from error
    text = record.get("text") if isinstance(record, dict) else None
    if not isinstance(text, str):
        raise DistillError(f"{place}: expected a field text with a string")
    return text
