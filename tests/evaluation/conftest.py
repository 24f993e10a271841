import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from leaftests.evaluation import Written


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """So that rows of another test are not taken for this one's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes a test collection in BEIR's format; judgments are lines of `query document grade`."""

    def write(
        corpus: Mapping[str, str],
        queries: Mapping[str, str],
        judgments: Sequence[str],
        *,
        name: str = "small",
    ) -> Path:
        folder = tmp_path / name
        (folder / "qrels").mkdir(parents=True)
        _write_lines(folder / "corpus.jsonl", corpus, title="")
        _write_lines(folder / "queries.jsonl", queries)
        lines = ["query-id\tcorpus-id\tscore", *("\t".join(j.split()) for j in judgments)]
        (folder / "qrels/test.tsv").write_text("\r\n".join(lines) + "\r\n")
        return folder

    return write


def _write_lines(file: Path, texts: Mapping[str, str], **more: str) -> None:
    records = [{"_id": id, **more, "text": text} for id, text in texts.items()]
    file.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture
def trees(written: Written) -> Path:
    """Five documents and three queries, whose words say what belongs together."""
    return written(
        {
            "oak": "an oak is a tree with acorns",
            "elm": "an elm is a tree with winged seeds",
            "carp": "a carp is a fish of ponds",
            "pike": "a pike is a fish that hunts",
            "flint": "flint is a hard stone",
        },
        {"t": "tree with acorns", "f": "fish of ponds", "s": "hard stone"},
        ["t oak 2", "t elm 1", "f carp 2", "f pike 1", "s flint 1"],
    )
