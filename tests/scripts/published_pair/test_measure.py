"""The measurement of the published pair, on tiny models of its shape and a local MongoDB."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.config import Storage
from leafsearch.evaluation import Format, formats
from leaftests.models import dense_head, save, tiny_bert
from leaftests.paths import ROOT
from published_pair.tables import label

Started = Callable[..., "subprocess.Popen[str]"]
ROWS = 12  # formats of models with 64 dimensions, and budgets of bytes


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    """A test collection in BEIR's format."""
    words = ["oak", "elm", "carp", "pike", "flint", "slate", "heron", "crane"]
    folder = tmp_path / "trees"
    (folder / "qrels").mkdir(parents=True)
    corpus = [
        {"_id": f"{word}{n}", "title": word, "text": f"the {word} of number {n} in words"}
        for word in words
        for n in range(5)
    ]
    queries = [{"_id": word, "text": f"what is a {word}?"} for word in words]
    for name, records in (("corpus", corpus), ("queries", queries)):
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(lines)
    judgments = [f"{word}\t{word}{n}\t1\n" for word in words for n in range(5)]
    (folder / "qrels/test.tsv").write_text("".join(judgments))
    return folder


@pytest.fixture
def started(
    mongodb_uri: str, database: Database[Any], published_pair: tuple[str, str], tmp_path: Path
) -> Started:
    def start(*options: object, pair: tuple[str, str] = published_pair) -> Any:
        models = ("--teacher", pair[0], "--student", pair[1])
        where = ("--uri", mongodb_uri, "--database", database.name)
        command = [sys.executable, "-m", "published_pair", *where, *models, *map(str, options)]
        environ = {**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "COLUMNS": "100"}
        environ["XDG_CACHE_HOME"] = str(tmp_path / "cache")
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=environ, text=True, **pipes)

    return start


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate()
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("storage", "more", "shown"),
    [
        ({"dimensions": 1024}, {}, "`full`"),
        ({"dimensions": 256}, {}, "`mrl256`"),
        ({"dimensions": 256}, {"transform": "pca"}, "`mrl256 --transform pca`"),
        ({"dimensions": 128}, {}, "`mrl256 --dimensions 128`"),
        ({"dimensions": 1024, "precision": "int8"}, {}, "`full --precision int8`"),
        ({"dimensions": 192, "precision": "int8"}, {}, "`mrl256-int8 --dimensions 192`"),
        ({"dimensions": 1024, "precision": "binary"}, {}, "`binary`"),
        ({"dimensions": 1024, "precision": "binary"}, {"rescore": 0}, "`binary`, `rescore=0`"),
        ({"dimensions": 1024, "quantization": "scalar"}, {}, "`full --quantization scalar`"),
    ],
)
def test_a_row_is_labelled_by_the_options_that_make_it(
    storage: dict[str, Any], more: dict[str, Any], shown: str
) -> None:
    assert label(Format(name="any", storage=Storage(**storage), **more), 1024) == shown


def test_every_format_has_a_label_of_its_own() -> None:
    labels = [label(format, 1024) for format in formats(1024, one_model=False)]

    assert len(set(labels)) == len(labels)


@pytest.mark.long
def test_the_rows_are_printed_and_the_database_is_gone(
    started: Started, trees: Path, database: Database[Any]
) -> None:
    code, out, err = ended(started("--collection-path", trees, "--drop"))

    assert code == 0, err
    assert database.name not in database.client.list_database_names()
    assert "measure-published-pair: aligned: mean cosine " in err
    readme, formats, measured = out.split("\n\nFor docs/quality.md")
    assert "| | one model on both sides | leafsearch, `binary` |" in readme
    assert "| bytes a vector | 258 | 10 |" in readme
    assert formats.count("\n| ") == measured.count("\n| ") == ROWS + 1
    assert "| `full --precision int8` | 64 | 66 |" in formats
    assert "Alignment: mean cosine " in measured
    assert "trees: 40 documents, 8 queries" in measured
    assert "Ingested 40 chunks as 64 x float32" in measured
    assert "the doctor found" in measured
    assert "problem: teacher" not in measured
    results = json.loads(Path("published-pair.json").read_text())
    assert len(results["rows"]) == ROWS


@pytest.mark.long
def test_an_interrupted_run_goes_on_where_it_was(
    started: Started, trees: Path, database: Database[Any]
) -> None:
    options = ("--collection-path", trees, "--results", "mine.json")
    first = started(*options)
    file, deadline = Path("mine.json"), time.monotonic() + 300
    while not (file.exists() and json.loads(file.read_text())["rows"]):
        assert first.poll() is None, ended(first)
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first.send_signal(signal.SIGINT)
    code, _, err = ended(first)
    known = json.loads(file.read_text())["rows"]

    assert code == 130, err
    assert err.splitlines()[-1].endswith("interrupted; run it again to do the rest")
    assert 0 < len(known) < ROWS
    assert {name for name in database.list_collection_names() if "eval" in name} == set()

    code, out, err = ended(started(*options))
    rows = json.loads(file.read_text())["rows"]

    assert code == 0, err
    assert f"mine.json has {len(known)} row" in err
    assert "loading" not in err
    assert len(rows) == ROWS
    untold = [{k: v for k, v in row.items() if k != "of_best"} for row in rows]
    assert all({k: v for k, v in row.items() if k != "of_best"} in untold for row in known)
    assert f"database {database.name} stays; the same command with --drop drops it" in err
    assert "sample" in database.list_collection_names()

    again = ended(started(*options, "--drop"))
    assert again[1] == out


@pytest.mark.long
def test_a_database_of_others_is_left_alone(
    started: Started, trees: Path, database: Database[Any]
) -> None:
    database["articles"].insert_one({})

    code, _, err = ended(started("--collection-path", trees, "--drop"))

    assert code == 1
    assert f"database {database.name} holds collections of others (articles)" in err
    assert database["articles"].count_documents({}) == 1


@pytest.mark.long
def test_results_of_another_measurement_are_not_mixed_with_these(
    started: Started, trees: Path
) -> None:
    Path("published-pair.json").write_text('{"version": 1}')

    code, _, err = ended(started("--collection-path", trees))

    assert code == 1
    assert "published-pair.json is no file of results ('date'); name another with --results" in err


@pytest.mark.long
def test_a_pair_without_a_common_space_is_refused_before_anything_is_written(
    started: Started, trees: Path, database: Database[Any], published_pair: Any, stranger: str
) -> None:
    pair = (published_pair[0], stranger)

    code, _, err = ended(started("--collection-path", trees, pair=pair))

    assert code == 1
    assert "does not share the space of teacher" in err
    assert database.list_collection_names() == []
    assert not Path("published-pair.json").exists()


def test_a_missing_collection_is_named_with_the_way_to_it(started: Started) -> None:
    code, _, err = ended(started())

    assert code == 1
    assert "nfcorpus.zip is in none of" in err
    assert "curl -O https://" in err


@pytest.mark.long
def test_models_of_many_dimensions_have_rows_for_each_transform(
    started: Started, trees: Path, tmp_path: Path
) -> None:
    """Models of the published shape: a head without bias from 32 to 320 dimensions."""
    teacher = tiny_bert(tmp_path / "bert-1", width=320, layers=1, pooling="cls", seed=1)
    student = tiny_bert(tmp_path / "bert-2", width=32, layers=1, pooling="mean", seed=2)
    student.append(dense_head(student, teacher))
    save(teacher.half(), tmp_path / "teacher")
    save(student, tmp_path / "student")
    pair = (str(tmp_path / "teacher"), str(tmp_path / "student"))

    code, out, err = ended(started("--collection-path", trees, "--drop", pair=pair))

    assert code == 0, err
    assert "| `mrl256 --transform pca` | 256 | 1,026 |" in out
    assert "leafsearch, `mrl256-int8` | leafsearch, `binary` |" in out
