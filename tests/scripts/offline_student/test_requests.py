"""Short texts for a static student, drawn from a corpus of a few lines."""

import json
import random
from pathlib import Path

from offline_student.requests import Counts, Drawn, draw, ordinary, read_queries, read_texts

TEXTS = {
    "packages": [
        f"The filter number {n} attenuates high frequencies by a factor." for n in range(9)
    ],
    "python": [f"The statement {n} binds names to objects within a block." for n in range(9)],
}
ASKED = {"packages": ["how do filters work"], "python": ["what does a statement bind"]}
FEW = Counts(queries=9, spans=6, passages=9, kept=20, more_spans=20, requests=20)


def test_what_benchmarks_search_is_left_out() -> None:
    shorts = list(draw(TEXTS, ASKED, FEW))

    assert any(short.sources == {"packages"} for short in shorts)
    assert not any("python" in short.sources for short in shorts)
    assert "what does a statement bind" not in {short.text for short in shorts}


def test_the_same_corpus_gives_the_same_lines_and_each_once() -> None:
    first = list(draw(TEXTS, ASKED, FEW))

    assert first == list(draw(TEXTS, ASKED, FEW))
    assert len({short.text.lower() for short in first}) == len(first)


def test_a_corpus_of_few_words_ends() -> None:
    shorts = list(draw({"packages": ["too few words here"]}, {}, Counts(more_spans=9, requests=0)))

    assert len(shorts) < 9


def test_passages_are_texts_and_all_else_is_queries() -> None:
    drawn = Drawn()

    ordinary(TEXTS, ASKED, FEW, drawn, random.Random(1))

    passages = {short.text for short in drawn.kept if not short.is_query}
    assert passages
    assert passages <= {text for some in TEXTS.values() for text in some}


def test_what_gather_wrote_is_read_by_source(tmp_path: Path) -> None:
    lines = [{"source": name, "text": text} for name, some in TEXTS.items() for text in some]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    asked = "".join(f"{query}\n" for some in ASKED.values() for query in some)
    (tmp_path / "queries.txt").write_text(asked)
    report = {name: {"queries": len(some)} for name, some in ASKED.items()}
    (tmp_path / "sources.json").write_text(json.dumps(report))

    assert read_texts(tmp_path) == TEXTS
    assert read_queries(tmp_path) == ASKED
