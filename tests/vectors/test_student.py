import json
import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest

from vectors import ModelError, export_student, load_encoder, load_student
from vectors.student import cache_folder

ROOT = Path(__file__).parents[2]
TEXTS = [
    "how do I write a context manager?",
    "x",
    "A much longer text about cats, dogs and the house that they live in. " * 3,
    "words beyond what any of the models reads " * 200,
]


def python(core_only: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Runs a program with the core packages alone, as after `pip install .` without extras."""
    return subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{core_only}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_exported_student_gives_the_vectors_of_the_model(
    minilm: str, published_pair: tuple[str, str]
) -> None:
    for name in (minilm, *published_pair):
        model = load_encoder(name)

        student = load_student(name, revision=model.revision)

        for encode in ("encode_queries", "encode_documents"):
            wanted = getattr(model, encode)(TEXTS)
            together = getattr(student, encode)(TEXTS)
            alone = np.vstack([getattr(student, encode)([text]) for text in TEXTS])
            assert np.sum(wanted * together, axis=1).min() > 0.9999
            assert np.sum(wanted * alone, axis=1).min() > 0.9999


def test_the_exported_student_is_the_model_in_all_else(published_pair: tuple[str, str]) -> None:
    model = load_encoder(published_pair[1])

    student = load_student(published_pair[1], revision=model.revision)

    for field in ("name", "revision", "dimensions", "max_tokens", "query_prompt"):
        assert getattr(student, field) == getattr(model, field)
    assert student.tokenizer.to_str() == model.tokenizer.to_str()
    assert student.encode_queries([]).shape == (0, 64)


def test_an_export_is_found_again_and_no_other_revision_is(
    published_pair: tuple[str, str],
) -> None:
    model = load_encoder(published_pair[1])
    assert export_student(model)
    graph = cache_folder(model.name, model.revision) / "model.onnx"
    written = graph.stat().st_mtime_ns

    assert export_student(model)

    assert graph.stat().st_mtime_ns == written
    with pytest.raises(ModelError, match="made with sha256:0"):
        load_student(model.name, revision="sha256:0")


def test_a_model_whose_export_would_differ_stays_on_sentence_transformers(
    published_pair: tuple[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Pooling that leaves the prompt out needs to know its length, which a graph does not."""
    import shutil

    shutil.copytree(published_pair[1], tmp_path / "model")
    (config,) = (tmp_path / "model").glob("1_Pooling/config.json")
    config.write_text(json.dumps({**json.loads(config.read_text()), "include_prompt": False}))
    model = load_encoder(str(tmp_path / "model"))

    student = load_student(model.name, revision=model.revision)

    assert np.allclose(student.encode_queries(TEXTS), model.encode_queries(TEXTS), atol=1e-6)
    assert "the student stays on sentence-transformers" in caplog.text
    assert "its ONNX export gives vectors of cosine" in caplog.text


def test_the_core_packages_alone_can_encode_a_query(
    core_only: Path, published_pair: tuple[str, str]
) -> None:
    model = load_encoder(published_pair[1])
    export_student(model)
    program = f"""
import importlib.util, sys
from vectors import load_student
student = load_student({model.name!r}, revision={model.revision!r})
print(student.encode_queries(["flights"]).tolist()[0][:3])
print(importlib.util.find_spec("torch"), "torch" in sys.modules)
"""
    ended = python(core_only, program)

    assert ended.returncode == 0, ended.stderr
    row, torch = ended.stdout.splitlines()
    assert json.loads(row) == pytest.approx(model.encode_queries(["flights"])[0][:3], abs=1e-5)
    assert torch == "None False"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("load_student({name!r}, revision='other')", "is not exported on this machine"),
        ("load_encoder({name!r})", "sentence-transformers is not installed here"),
    ],
)
def test_what_the_core_packages_cannot_do_is_said(
    core_only: Path, published_pair: tuple[str, str], call: str, expected: str
) -> None:
    called = call.format(name=published_pair[1])

    ended = python(core_only, f"from vectors import load_encoder, load_student; {called}")

    assert expected in ended.stderr.splitlines()[-1]
    assert "[ingest]" in ended.stderr.splitlines()[-1]


def test_the_search_side_stays_under_400_mb(core_only: Path) -> None:
    size = sum(
        file.stat().st_size
        for top in core_only.iterdir()
        for file in (top.rglob("*") if top.is_dir() else [top])
        if file.is_file() and file.suffix != ".pyc"
    )

    assert distribution("onnxruntime").version
    assert size < 400 * 2**20
