import json
import os
import shutil
import subprocess
import sys
import warnings
from importlib.metadata import distribution, version
from pathlib import Path

import numpy as np
import pytest
from packaging.version import Version

from leafsearch.vectors import (
    Encoder,
    ExportError,
    ModelError,
    export_student,
    load_encoder,
    load_student,
)
from leafsearch.vectors.encoders import ModelFiles, encode_probe, require_probe, student_folder
from leafsearch.vectors.encoders.onnx.published import take_published
from leaftests.paths import ROOT

TEXTS = [
    "how do I write a context manager?",
    "x",
    "A much longer text about cats, dogs and the house that they live in. " * 3,
    "words beyond what any of the models reads " * 200,
]


def python(core_only: Path, program: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs a program with the core packages alone, as after `pip install .` without extras."""
    return subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{core_only}", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_exported_student_gives_the_vectors_of_the_model(
    minilm: str, published_pair: tuple[str, str]
) -> None:
    for name in (minilm, *published_pair):
        model = load_encoder(name, precision="float32")

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


def test_a_copy_in_another_folder_is_called_by_its_own_name(
    published_pair: tuple[str, str], tmp_path: Path
) -> None:
    first = load_student(published_pair[1])
    shutil.copytree(published_pair[1], tmp_path / "student")

    copy = load_student(str(tmp_path / "student"))

    assert (copy.name, first.name) == (str(tmp_path / "student"), published_pair[1])
    assert copy.revision == first.revision


def test_an_export_is_found_again_and_no_other_revision_is(
    published_pair: tuple[str, str],
) -> None:
    model = load_encoder(published_pair[1])
    assert export_student(model)
    graph = student_folder(model.name, model.revision) / "model.onnx"
    written = graph.stat().st_mtime_ns

    assert export_student(model)

    assert graph.stat().st_mtime_ns == written
    with pytest.raises(ModelError, match="made with sha256:0"):
        load_student(model.name, revision="sha256:0")


def test_a_model_whose_export_would_differ_stays_on_sentence_transformers(
    published_pair: tuple[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Pooling that leaves the prompt out needs to know its length, which a graph does not."""
    shutil.copytree(published_pair[1], tmp_path / "model")
    (config,) = (tmp_path / "model").glob("1_Pooling/config.json")
    config.write_text(json.dumps({**json.loads(config.read_text()), "include_prompt": False}))
    model = load_encoder(str(tmp_path / "model"))

    student = load_student(model.name, revision=model.revision)

    assert np.allclose(student.encode_queries(TEXTS), model.encode_queries(TEXTS), atol=1e-6)
    assert "the student stays on sentence-transformers" in caplog.text
    assert "its ONNX export gives other vectors (cosine" in caplog.text


def test_the_core_packages_alone_can_encode_a_query(
    core_only: Path, published_pair: tuple[str, str]
) -> None:
    model = load_encoder(published_pair[1])
    export_student(model)
    program = f"""
import importlib.util, sys
from leafsearch.vectors import load_student
student = load_student({model.name!r}, revision={model.revision!r})
print(student.encode_queries(["flights"]).tolist()[0][:3])
print(importlib.util.find_spec("torch"), "torch" in sys.modules)
"""
    ended = python(core_only, program)

    assert ended.returncode == 0, ended.stderr
    row, torch = ended.stdout.splitlines()
    assert json.loads(row) == pytest.approx(model.encode_queries(["flights"])[0][:3], abs=1e-5)
    assert torch == "None False"


@pytest.mark.parametrize("asked", [False, True])
def test_onnx_runtime_sends_no_telemetry_by_default(tmp_path: Path, asked: bool) -> None:
    # What it is about to send it keeps in the user's cache first.
    if asked and Version(version("onnxruntime")) < Version("1.29"):
        pytest.skip("this onnxruntime has nothing that reports")
    allowed = {"ORT_DISABLE_TELEMETRY": "0"} if asked else {}
    program = "from leafsearch.vectors import load_student; load_student('package:vectors/offline')"
    subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(tmp_path), **allowed},
        cwd=ROOT,
        check=True,
    )

    assert list(tmp_path.rglob("onnxruntime.db")) == [] or asked
    assert list(tmp_path.rglob("deviceid")) != [] or not asked


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("load_student({name!r}, revision='other')", "the collection was made with other"),
        ("load_student({name!r}, revision={revision!r})", "publishes no onnx/model.onnx"),
        ("load_encoder({name!r})", "sentence-transformers is not installed here"),
    ],
)
def test_errors_name_what_the_core_packages_lack(
    core_only: Path, stranger: str, tmp_path: Path, call: str, expected: str
) -> None:
    called = call.format(name=stranger, revision=ModelFiles.find(stranger).revision)
    program = f"from leafsearch.vectors import load_encoder, load_student; {called}"

    # Into the cache of all tests another one may have exported this model.
    ended = python(core_only, program, XDG_CACHE_HOME=str(tmp_path))

    said = ended.stderr.splitlines()[-1]
    assert expected in said
    assert "install the extra [ingest]" in said or "install that model" in said


@pytest.mark.parametrize("side", [0, 1], ids=["cls", "mean and dense"])
def test_the_core_packages_use_the_published_onnx_file(
    core_only: Path, published_pair: tuple[str, str], tmp_path: Path, side: int
) -> None:
    published = tmp_path / f"published-{side}"
    shutil.copytree(published_pair[side], published)
    model = load_encoder(str(published))
    export_of_transformer(model, published / "onnx" / "model.onnx")
    program = f"""
import json
from leafsearch.vectors import load_student
student = load_student({model.name!r}, revision={model.revision!r})
print(json.dumps([student.encode_queries({TEXTS!r}).tolist(), student.max_tokens]))
"""

    ended = python(core_only, program)

    assert ended.returncode == 0, ended.stderr
    rows, max_tokens = json.loads(ended.stdout)
    assert np.sum(model.encode_queries(TEXTS) * np.array(rows), axis=1).min() > 0.9999
    assert max_tokens == model.max_tokens


def test_a_published_graph_that_ignores_padding_is_rejected(
    published_pair: tuple[str, str], tmp_path: Path
) -> None:
    published = tmp_path / "published"
    shutil.copytree(published_pair[1], published)
    export_of_transformer(
        load_encoder(str(published)), published / "onnx" / "model.onnx", masked=False
    )

    with pytest.raises(ExportError, match="depends on the other texts of its batch"):
        take_published(ModelFiles.find(str(published)), tmp_path / "taken")


def export_of_transformer(model: Encoder, file: Path, *, masked: bool = True) -> None:
    """A graph as model authors publish it: without pooling and the layers after it."""
    import torch

    class Transformer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = model.model[0].auto_model

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            known = {"attention_mask": mask} if masked else {}
            return self.bert(input_ids=ids, **known).last_hidden_state

    file.parent.mkdir()
    ids = torch.ones((2, 9), dtype=torch.int64)
    mask = ids.clone()
    mask[0, -1] = 0
    names, axes = ["input_ids", "attention_mask"], {0: "batch", 1: "tokens"}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Transformer().eval(),
            (ids, mask),
            str(file),
            input_names=names,
            output_names=["last_hidden_state"],
            dynamic_axes=dict.fromkeys([*names, "last_hidden_state"], axes),
            dynamo=False,
        )


def test_another_model_under_the_same_name_is_detected(
    published_pair: tuple[str, str], stranger: str
) -> None:
    student, other = load_encoder(published_pair[1]), load_encoder(stranger)

    require_probe(student, encode_probe(student))

    with pytest.raises(ModelError, match=r"gives other vectors here than at ingest \(cosine -?0"):
        require_probe(other, encode_probe(student))


def test_the_search_side_stays_under_400_mb(core_only: Path) -> None:
    size = sum(
        file.stat().st_size
        for top in core_only.iterdir()
        for file in (top.rglob("*") if top.is_dir() else [top])
        if file.is_file() and file.suffix != ".pyc"
    )

    assert distribution("onnxruntime").version
    assert size < 400 * 2**20
