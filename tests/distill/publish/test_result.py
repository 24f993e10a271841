"""`leaf-distill` leaves a model that works at once, and a card that says how well."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest
import torch
from pymongo.database import Database
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense

from leafsearch.config import load
from leafsearch.ingest import Choices, Document, Rejects, ingest, open_target
from leafsearch.search import Searcher
from leafsearch.vectors import AlignmentError, check_alignment, load_encoder, load_student
from leafsearch.vectors.encoders import PROBES
from leaftests.distill.making import PROMPT, built, saved
from leaftests.distill.result import Result
from leaftests.paths import ROOT

QUESTIONS = ["what is a context manager", "x", "how does an assignment bind its names? " * 3]


def test_training_brings_the_student_nearer_to_its_teacher(result: Result) -> None:
    assert result.reported["cosine"] > result.reported["cosine_before"] > 0.5
    assert result.reported["examples"] == 1_500
    assert 10 < result.reported["held_out"] < 60


def test_ingest_accepts_the_student(result: Result, teacher: str) -> None:
    found = check_alignment(load_encoder(teacher), load_student(str(result.folder)))

    assert found.is_enough
    assert result.reported["alignment"] == {"cosine": found.cosine, "margin": found.margin}


def test_ingest_rejects_an_untrained_student(teacher: str, tmp_path: Path) -> None:
    model = built(tmp_path / "bert", width=64, layers=2, seed=7)
    torch.manual_seed(8)
    model.append(Dense(64, 64, bias=False, activation_function=torch.nn.Identity()))
    untrained = load_encoder(saved(model, tmp_path / "untrained"))

    with pytest.raises(AlignmentError, match="does not share the space of teacher"):
        check_alignment(load_encoder(teacher), untrained)


def test_searches_work_with_it_at_once(
    result: Result, teacher: str, database: Database[Any], mongodb_uri: str, tmp_path: Path
) -> None:
    pair: dict[str, Any] = {"teacher": teacher, "student": str(result.folder), "storage": "full"}
    settings = load({}, **pair, database=database.name, collection="c")
    target = open_target(database, settings, Choices())
    documents = [Document(str(number), probe) for number, probe in enumerate(PROBES)]
    summary = ingest(documents, target, rejects=Rejects(tmp_path / "rejects.jsonl"))
    target.ensure_index()
    target.collection.wait_until_ready(
        summary.last_written, seconds=60, on_status=lambda status: None
    )

    plain = load({}, database=database.name, collection="c")
    with Searcher.open(mongodb_uri, plain) as searcher:
        found = [int(searcher.search(probe, k=1)[0].document) for probe in PROBES]

    student = load_student(str(result.folder))
    cosines = student.encode_queries(PROBES) @ load_encoder(teacher).encode_documents(PROBES).T
    nearest = cosines.max(axis=1)
    assert cosines[np.arange(len(PROBES)), found] == pytest.approx(nearest, abs=0.02)


def test_it_is_a_model_of_three_modules_with_the_prompts_of_its_teacher(result: Result) -> None:
    student = SentenceTransformer(str(result.folder), device="cpu")

    assert [type(module).__name__ for module in student] == ["Transformer", "Pooling", "Dense"]
    assert student.prompts["query"] == PROMPT
    assert student[0].auto_model.config.num_hidden_layers == 2
    assert student.get_embedding_dimension() == 64
    assert student.max_seq_length == 512


def test_encoding_queries_needs_no_torch(result: Result, core_only: Path, tmp_path: Path) -> None:
    program = f"""
import importlib.util, json
from leafsearch.vectors import load_student
student = load_student({str(result.folder)!r})
print(json.dumps(student.encode_queries({QUESTIONS!r}).tolist()))
assert importlib.util.find_spec("torch") is None
"""
    environ = {"PYTHONPATH": f"{ROOT / 'src'}:{core_only}", "XDG_CACHE_HOME": str(tmp_path)}

    ended = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    student = SentenceTransformer(str(result.folder), device="cpu")
    rows = student.encode_query(QUESTIONS, normalize_embeddings=True)
    assert np.sum(rows * np.array(json.loads(ended.stdout)), axis=1).min() > 0.9999


def test_the_card_names_teacher_and_recipe_and_has_the_figures(
    result: Result, teacher: str
) -> None:
    card = (result.folder / "README.md").read_text()
    reported = result.reported

    assert f"in the vector space of `{teacher}`" in card
    assert load_encoder(teacher).revision in card
    assert "It began as layers 0, 3 of the teacher" in card
    assert "1,500 texts of at most 32 words" in card
    assert "1 x 3 epochs, batches of 64, learning rate 0.01 to 1e-05 in each cycle, seed 1" in card
    assert f"{reported['cosine']:.4f} (before training {reported['cosine_before']:.4f})" in card
    assert f"{reported['latency']['student']:.2f} ms" in card


def test_the_card_compares_with_the_teacher_alone(result: Result) -> None:
    card = (result.folder / "README.md").read_text()
    rows = {
        (row["who"], row["format"], row["dimensions"]): row for row in result.reported["quality"]
    }

    alone = rows["teacher / teacher", "float32", 64]
    both = rows["teacher / student", "float32", 64]
    assert alone["of_teacher"] == 1
    assert both["of_teacher"] == pytest.approx(both["ndcg"] / alone["ndcg"])
    assert f"| small | teacher / student | float32 | 64 | {both['ndcg']:.4f} |" in card
    assert card.count("| small |") == len(result.reported["quality"])


def test_nothing_else_is_left_behind(result: Result) -> None:
    beside = {entry.name for entry in result.folder.parent.iterdir()}
    students = platformdirs.user_cache_path("leafsearch") / "students"
    exported = {entry.name for entry in students.glob("*/*")}

    assert beside == {"student", "small"}
    assert exported
    assert not [name for name in exported if name.startswith(".student")]
