"""The whole path on a real corpus: real model, real mongod, `$vectorSearch`, known answers."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from leafsearch.config import load
from leafsearch.config.storage import STORAGES
from leafsearch.evaluation.replay import replay_searcher
from leafsearch.evaluation.trial import trial_collection
from leafsearch.search import Searcher
from leafsearch.vectors import load_student
from leafsearch.vectors.store import read_manifest

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


@pytest.mark.long
@pytest.mark.usefixtures("minilm")
def test_at_least_85_of_100_questions_are_answered_among_the_first_five(
    run: Run, mongodb_uri: str, client: MongoClient[Any], database: Database[Any], corpus: str
) -> None:
    """Encoded once, and then stored in other forms, since a codec is nothing a model knows of."""
    options = ("--preset", "offline", "--storage", "full", "--json")
    ended = run(
        *("leaf-ingest", "-", "--uri", mongodb_uri, "--database", database.name, *options),
        input=corpus,
    )
    assert ended.returncode == 0, ended.stderr
    manifest = read_manifest(database, "chunks")
    chunks = list(database["chunks"].find())
    rows = manifest.codec.expand([chunk.pop("embedding") for chunk in chunks])

    with Searcher.open(mongodb_uri, load({}, database=database.name)) as whole:
        demand_answers(whole, "full")
    student = load_student(manifest.student.name, revision=manifest.student.revision)
    for form in ("mrl256", "binary"):
        with trial_collection(database, STORAGES[form], chunks, rows) as collection:
            demand_answers(replay_searcher(client, collection, student), form)


def demand_answers(searcher: Searcher, form: str) -> None:
    asked = questions()
    missed = [
        q["question"]
        for q in asked
        if not {hit.document for hit in searcher.search(q["question"], k=5)} & {*q["topics"]}
    ]
    assert len(missed) <= 0.15 * len(asked), (form, missed)
