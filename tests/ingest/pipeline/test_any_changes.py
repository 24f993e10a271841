"""Whatever happens to a corpus between runs, the collection is that of a fresh ingest of it."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from leaftests.ingest.types import Ordered

RUNS = 5
Record = dict[str, Any]


class Corpus:
    """Records in a file, which change at random."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._made = 0
        self.records: dict[str, Record] = {}

    def change(self) -> None:
        for _ in range(self._random.randint(1, 12)):
            self._new()
        for id in self._some():
            del self.records[id]
        for id in self._some():
            self.records[id]["text"] = self._text()
        for id in self._some():
            record = self.records[id]
            words = record["text"].split()
            words[self._random.randrange(len(words))] = "changed."
            record["text"] = " ".join(words)
        for id in self._some():
            self.records[id]["year"] = self._random.randint(1, 3)
        for id in self._some():
            self.records[id]["title"] = self._random.choice(["", "A title", "Another"])
        for id in self._some():  # out of the title into the text
            record = self.records[id]
            title, record["title"] = record["title"], ""
            record["text"] = f"{title} {record['text']}".strip()

    def write(self, rejects: int = 0) -> str:
        lines = [json.dumps(record) for record in self.records.values()] + ["{}"] * rejects
        self._random.shuffle(lines)
        Path("c.jsonl").write_text("".join(f"{line}\n" for line in lines))
        return "c.jsonl"

    def _new(self) -> None:
        self._made += 1
        id = f"d{self._made}"
        self.records[id] = {"id": id, "text": self._text(), "title": "", "year": 1}

    def _text(self) -> str:
        sentences = self._random.choice([1, 1, 2, 8, 30])
        word = self._random.randint
        return " ".join(f"Sentence {n} says {word(1, 99)} twice." for n in range(sentences))

    def _some(self) -> list[str]:
        return self._random.sample(sorted(self.records), len(self.records) // 6)


def stored(database: Database[Any]) -> dict[str, Record]:
    return {chunk["_id"]: chunk for chunk in database["c"].find()}


def vector(chunks: dict[str, Record], id: str) -> Any:
    return chunks[id]["embedding"] if id in chunks else None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("precision", ["float32", "binary"])
def test_a_collection_becomes_that_of_a_fresh_ingest_and_the_numbers_add_up(
    ordered: Ordered, database: Database[Any], seed: int, precision: str
) -> None:
    corpus, choices = Corpus(seed), {"precision": precision, "heading_trail": seed == 2}
    for number in range(RUNS):
        corpus.change()
        rejects = number % 2
        before = stored(database)

        path = corpus.write(rejects)
        foreseen = ordered(path, prune=True, yes=True, choices=choices, dry_run=True)
        reported = ordered(path, prune=True, yes=True, choices=choices)

        after = stored(database)
        new = {i for i in after if vector(after, i) != vector(before, i)}
        assert reported["documents"] == foreseen["documents"] == len(corpus.records)
        assert reported["chunks"] == foreseen["chunks"] == len(after)
        assert (
            reported["chunks"] == reported["encoded"] + reported["updated"] + reported["unchanged"]
        )
        assert reported["encoded"] == foreseen["new_chunks"] >= len(new)
        assert reported["tokens"] == foreseen["tokens"]
        assert reported["removed"] == len(before.keys() - after.keys())
        gone = {chunk["document"] for chunk in before.values()} - corpus.records.keys()
        assert reported["pruned"] == foreseen["documents_pruned"] == len(gone)
        assert reported["rejected"] == foreseen["rejected"] == rejects

    again = ordered(path, prune=True, yes=True, choices=choices)
    assert again["unchanged"] == len(after)
    database["c"].drop()
    database["leaf_manifests"].drop()
    ordered(path, choices=choices)
    assert stored(database) == after
