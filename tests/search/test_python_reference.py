"""The whole path on a real corpus: real model, real mongod, `$vectorSearch`, known answers."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from config import load
from search import Searcher

ROOT = Path(__file__).parents[2]
Run = Callable[..., CompletedProcess[str]]


def questions() -> list[dict[str, Any]]:
    lines = Path(__file__).with_name("python_reference_questions.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def corpus() -> str:
    script = ROOT / "scripts" / "python-reference"
    return subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True
    ).stdout


def test_the_questions_are_about_this_corpus(corpus: str) -> None:
    topics = {json.loads(line)["id"] for line in corpus.splitlines()}
    asked = questions()

    assert len({q["question"] for q in asked}) == len(asked) >= 40
    assert {topic for q in asked for topic in q["topics"]} <= topics


@pytest.mark.usefixtures("minilm")
@pytest.mark.parametrize("storage", ["mrl256", "binary"])
def test_at_least_85_of_100_questions_are_answered_among_the_first_five(
    run: Run, mongodb_uri: str, database: Database[Any], corpus: str, storage: str
) -> None:
    options = ("--preset", "offline", "--storage", storage, "--json")
    ended = run(
        *("leaf-ingest", "-", "--uri", mongodb_uri, "--database", database.name, *options),
        input=corpus,
    )
    assert ended.returncode == 0, ended.stderr
    asked = questions()

    with Searcher.open(mongodb_uri, load({}, database=database.name)) as searcher:
        missed = [
            q["question"]
            for q in asked
            if not {hit.document for hit in searcher.search(q["question"], k=5)} & {*q["topics"]}
        ]

    assert len(missed) <= 0.15 * len(asked), missed
