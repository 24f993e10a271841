"""A packed student gives nearly the same vectors with neither torch nor onnx."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from pymongo.database import Database

from leafsearch.config import load
from leafsearch.ingest import Choices, Document, Rejects, ingest, open_target
from leafsearch.search import Searcher
from leafsearch.vectors import ModelError, load_encoder, load_student
from leafsearch.vectors.encoders import PROBES
from leafsearch.vectors.encoders.onnx.folder import restore_weights
from leaftests.paths import ROOT
from offline_student.pack import extract_weights, main, pack, round_weights

TEXTS = [*PROBES, "x", "a longer text about cats and dogs " * 5]


@pytest.fixture(scope="module")
def compact(published_pair: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("packing") / "compact"
    pack(published_pair[1], folder)
    return str(folder)


@pytest.mark.parametrize("looked_up", [False, True])
def test_rounded_weights_are_at_most_half_a_step_away(looked_up: bool) -> None:
    """Each column of a layer has a step of its own, each row of embeddings too, a longer one."""
    array = np.random.default_rng(1).normal(size=(5_000, 32)).astype(np.float32)
    array[:, 3] *= 100
    array[7] = 0

    values, scales = round_weights(array, looked_up=looked_up)

    largest = 31 if looked_up else 127
    assert values.dtype == np.int8
    assert np.abs(values).max() == largest
    assert scales.shape == ((5_000, 1) if looked_up else (1, 32))
    assert (np.abs(restore_weights(values, scales) - array) <= scales * 0.501).all()


def test_only_what_is_looked_up_is_rounded_to_fewer_bits() -> None:
    """The layers of a large student have as many rows as a small vocabulary."""
    array = np.ones((5_000, 4), dtype=np.float32)
    initializers = [numpy_helper.from_array(array, name) for name in ("table", "layer")]
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("MatMul", ["wide", "layer"], ["out"]),
    ]
    graph = helper.make_graph(nodes, "two", [], [], initializers)

    found = extract_weights(helper.make_model(graph))

    assert np.abs(found["values-0"]).max() == 31
    assert np.abs(found["values-1"]).max() == 127


def test_the_packed_student_gives_nearly_the_same_vectors_without_torch(
    compact: str, published_pair: tuple[str, str], core_only: Path, tmp_path: Path
) -> None:
    program = f"""
import importlib.util, json
from leafsearch.vectors import load_student
student = load_student({compact!r})
again = load_student({compact!r}, revision=student.revision)
print(json.dumps(student.encode_queries({TEXTS!r}).tolist()))
print(json.dumps([student.name, student.dimensions, student.query_prompt, again.revision]))
assert importlib.util.find_spec("torch") is importlib.util.find_spec("onnx") is None
"""
    ended = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'src'}:{core_only}",
            "XDG_CACHE_HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    rows, facts = map(json.loads, ended.stdout.splitlines())
    unpacked = load_encoder(published_pair[1])
    assert np.sum(np.array(rows) * unpacked.encode_queries(TEXTS), axis=1).min() > 0.99
    assert facts[:3] == [compact, 64, unpacked.query_prompt]
    assert facts[3].startswith("sha256:")
    assert facts[3] != unpacked.revision


def test_no_float_weights_are_left(compact: str) -> None:
    graph = onnx.load(f"{compact}/graph.onnx", load_external_data=False).graph

    inside = [one for one in graph.initializer if len(one.raw_data) >= 4_096]
    outside = [one for one in graph.initializer if one.external_data]
    with np.load(f"{compact}/weights.npz") as kept:
        assert len(kept["offsets"]) == len(outside) > 3
    assert inside == []


def test_it_is_for_queries_only(compact: str) -> None:
    with pytest.raises(ModelError) as raised:
        load_encoder(compact)

    assert str(raised.value) == (
        f"model {compact}: holds a student for queries only; documents are encoded by the teacher "
        "that it was distilled from"
    )


def test_ingest_and_search_take_it_as_their_student(
    compact: str,
    published_pair: tuple[str, str],
    database: Database[Any],
    mongodb_uri: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The search on another machine, whose cache is empty."""
    pair: dict[str, Any] = {"teacher": published_pair[0], "student": compact, "storage": "full"}
    target = open_target(
        database, load({}, **pair, database=database.name, collection="c"), Choices()
    )
    documents = [Document(str(number), probe) for number, probe in enumerate(PROBES)]
    summary = ingest(documents, target, rejects=Rejects(tmp_path / "rejects.jsonl"))
    target.ensure_index()
    target.collection.wait_until_ready(
        summary.last_written, seconds=60, on_status=lambda status: None
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    plain = load({}, database=database.name, collection="c")
    with Searcher.open(mongodb_uri, plain) as searcher:
        found = [int(searcher.search(probe, k=1)[0].document) for probe in PROBES]

    rows = load_encoder(published_pair[0]).encode_documents(PROBES)
    cosines = load_student(compact).encode_queries(PROBES) @ rows.T
    nearest = cosines.max(axis=1)
    assert cosines[np.arange(len(PROBES)), found] == pytest.approx(nearest, abs=0.02)


def test_a_changed_packed_student_gets_another_revision(compact: str, tmp_path: Path) -> None:
    shutil.copytree(compact, tmp_path / "changed")
    before = load_student(str(tmp_path / "changed")).revision
    with np.load(f"{compact}/weights.npz") as kept:
        arrays = {**kept, "values-0": kept["values-0"] // 2}
    np.savez(tmp_path / "changed/weights.npz", **arrays)

    assert load_student(str(tmp_path / "changed")).revision != before
    with pytest.raises(ModelError, match="but the collection was made with"):
        load_student(str(tmp_path / "changed"), revision="sha256:0")


def test_the_command_prints_size_and_least_cosine(
    published_pair: tuple[str, str],
    compact: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def called(*args: str) -> str | int | None:
        monkeypatch.setattr(sys, "argv", ["offline_student.pack", *args])
        try:
            main()
        except SystemExit as end:
            return end.code
        return 0

    assert called(published_pair[1], "new/packed") == 0
    messages = capsys.readouterr().out
    assert messages.startswith("new/packed: 0.")
    assert float(messages.rpartition(" ")[2]) > 0.99
    assert [entry.name for entry in Path("new").iterdir()] == ["packed"]

    assert called(published_pair[1], "new/packed") == 1
    assert called(compact, "new/again") == 1
    assert called("./none", "new/again") == 1
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[0] for line in said] == ["offline_student.pack"] * 3
    assert said[0].endswith("new/packed: exists already; expected a new folder")
    assert [entry.name for entry in Path("new").iterdir()] == ["packed"]
