import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from leaftests.evaluation import Written

Run = Callable[..., subprocess.CompletedProcess[str]]
PAIR = ("--teacher", "hashing:128", "--student", "hashing:128")


@pytest.fixture
def evaluated(run: Run, mongodb_uri: str, database: Database[Any]) -> Run:
    def start(*args: object) -> Any:
        where = ("--uri", mongodb_uri, "--database", database.name)
        return run("leaf-search", "eval", *args, *where)

    return start


@pytest.mark.long
def test_a_table_and_pictures_of_a_test_collection(
    evaluated: Run, trees: Path, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra [eval]")

    ended = evaluated(trees, *PAIR, "--pictures", tmp_path / "figures")

    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0] == "small: 5 documents, 3 queries"
    first, *_ = [line.split() for line in lines if line.startswith("float32 ")]
    assert first[1:6] == ["128", "1.0000", "100.0%", "1.0000", "1.0000"]
    assert len(list((tmp_path / "figures").iterdir())) == 8


def test_one_json_object(evaluated: Run, written: Written) -> None:
    folder = written({"a": "oak", "b": "elm"}, {"1": "oak", "2": " "}, ["1 a 1", "2 b 1"])

    ended = evaluated(folder, *PAIR, "--json")

    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert (report["documents"], report["queries"]) == (2, 1)
    assert report["rows"][0]["format"]["storage"]["precision"] == "float32"
    assert report["rows"][0]["latency"].keys() == {"p50", "p95"}
    assert report["warnings"] == ["1 query is empty; skipped"]
    assert "1 query is empty; skipped" in ended.stderr


@pytest.mark.parametrize(
    ("args", "code", "expected"),
    [
        ([], 2, "Usage: leaf-search eval"),
        (["--json"], 2, "either FOLDER_OR_ZIP or --self"),
        (["small", "--self"], 2, "either FOLDER_OR_ZIP or --self"),
        (["nowhere"], 1, "nowhere: no such folder or zip file"),
        (["small", "--split", "dev"], 1, "--split can be test"),
        (["--self", "--queries", "nowhere"], 1, "--queries nowhere: cannot be read"),
        (["--self", "--queries", "empty"], 1, "--queries empty: empty"),
        (["--self"], 1, "has no manifest"),
    ],
)
def test_mistakes_end_with_one_line(
    run: Run,
    mongodb_uri: str,
    database: Database[Any],
    trees: Path,
    tmp_path: Path,
    args: list[str],
    code: int,
    expected: str,
) -> None:
    (tmp_path / "empty").write_text("\n")
    where = ("--uri", mongodb_uri, "--database", database.name) if args else ()

    ended = run("leaf-search", "eval", *args, *where)

    assert ended.returncode == code
    assert expected in ended.stderr + ended.stdout


def test_a_collection_of_one_s_own_is_measured_with_queries_of_a_file(
    evaluated: Run, run: Run, mongodb_uri: str, database: Database[Any], tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"text": f"oak {n}"}) + "\n" for n in range(30)))
    where = ("--uri", mongodb_uri, "--database", database.name)
    assert run("leaf-ingest", corpus, *PAIR, "--storage", "full", *where).returncode == 0
    (tmp_path / "queries").write_text('oak 3\n{"text": "oak 7"}\n')

    ended = evaluated("--self", "--queries", "queries", "-k", "5")

    assert ended.returncode == 0, ended.stderr
    assert f"{database.name}.chunks: 30 passages, 2 queries" in ended.stdout
    assert "server's binary" in ended.stdout


def test_matplotlib_is_imported_for_pictures_only() -> None:
    script = (
        "import sys; import leafsearch.evaluation.command; "
        "print([m for m in sys.modules if 'matplotlib' in m or m == 'torch'])"
    )

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert ended.stdout == "[]\n"
