"""A static model that cannot be used says why."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers.sentence_transformer.modules import Dense

from leafsearch.vectors import ModelError, load_student
from leafsearch.vectors.encoders.static.folder import round_rows
from leafsearch.vectors.encoders.static.table import map_tensors
from leaftests.static import model2vec_model, random_rows, static_model, wordpieces

COUNT = wordpieces().get_vocab_size()


def refused(folder: str, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        load_student(folder).encode_queries(["how do vaccines protect"])


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"other": np.ones(3, "f4")}, "holds other; expected embedding.weight"),
        (
            {"embeddings": np.ones(3, "f4")},
            r"embeddings in model.safetensors is F32 of shape \(3,\)",
        ),
        ({"embeddings": np.ones((COUNT, 3), "i4")}, "embeddings in model.safetensors is I32"),
        ({"embeddings": np.ones((9, 3), "f4")}, f"has {COUNT} tokens, its table rows for 9"),
        (
            {"embeddings": np.ones((COUNT, 3), "f4"), "weights": np.ones(9, "f4")},
            f"has {COUNT} tokens, its table rows for 9",
        ),
        (
            {"embeddings": np.ones((9, 3), "f4"), "mapping": np.full(COUNT, 9)},
            "leads to row 9; expected one of 9",
        ),
        ({"embeddings": np.full((COUNT, 3), np.nan, "f4")}, "numbers that are not finite"),
        (
            {"embeddings": np.ones((COUNT, 3), "f4"), "weights": np.ones((COUNT, 2), "f4")},
            "expected one number for each token",
        ),
    ],
)
def test_a_table_that_does_not_fit(tmp_path: Path, tensors: dict[str, Any], reason: str) -> None:
    refused(model2vec_model(tmp_path / "m", wordpieces(), **tensors), reason)


def test_an_unknown_pooling_is_refused(tmp_path: Path) -> None:
    rows = random_rows(COUNT, 4)
    folder = model2vec_model(tmp_path / "m", wordpieces(), {"pooling": "max"}, embeddings=rows)

    refused(folder, "declares the pooling 'max'; expected mean, sum, sqrt")


def test_an_unknown_module_is_refused(tmp_path: Path) -> None:
    folder = static_model(tmp_path / "m", wordpieces(), random_rows(COUNT, 4))
    file = tmp_path / "m" / "modules.json"
    listed = json.loads(file.read_text())
    listed.append({"idx": 1, "name": "1", "path": "1_LSTM", "type": "x.LSTM"})
    file.write_text(json.dumps(listed))

    refused(folder, "a module LSTM follows the table; expected Normalize or Dense")


def test_an_unknown_activation_is_refused(tmp_path: Path) -> None:
    head = Dense(4, 4, activation_function=torch.nn.GELU())
    folder = static_model(tmp_path / "m", wordpieces(), random_rows(COUNT, 4), head)

    refused(folder, "has the activation GELU; expected Identity, Tanh, ReLU")


def test_rows_that_could_run_code_are_refused(tmp_path: Path) -> None:
    folder = static_model(tmp_path / "m", wordpieces(), random_rows(COUNT, 4))
    table = next((tmp_path / "m").rglob("model.safetensors"))
    table.rename(table.with_name("pytorch_model.bin"))

    refused(folder, "pytorch_model.bin, which can run code; expected model.safetensors")


@pytest.mark.parametrize("kept", [0, 4, 40, -1])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, kept: int) -> None:
    folder = static_model(tmp_path / "m", wordpieces(), random_rows(COUNT, 4))
    table = next((tmp_path / "m").rglob("model.safetensors"))
    table.write_bytes(table.read_bytes()[:kept])

    refused(folder, "cannot be read: .*; expected a whole safetensors file")


def test_a_damaged_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = static_model(tmp_path / "m", wordpieces(), random_rows(COUNT, 4))
    next((tmp_path / "m").rglob("tokenizer.json")).write_text("{")

    refused(folder, r"tokenizer\.json cannot be read: .*; expected a fast tokenizer")


def test_rows_are_read_from_the_file_as_they_are_needed(tmp_path: Path) -> None:
    static_model(tmp_path / "m", wordpieces(), random_rows(COUNT, 4))
    file = next((tmp_path / "m").rglob("model.safetensors"))

    kind, rows = map_tensors(file, "m")["embedding.weight"]

    base: Any = rows
    while getattr(base, "base", None) is not None and not isinstance(base, np.memmap):
        base = base.base
    assert kind == "F32"
    assert isinstance(base, np.memmap)


def test_rounded_rows_are_near_and_rows_of_zeros_stay() -> None:
    rows = random_rows(50, 32)
    rows[3] = 0

    codes, scales = round_rows(rows)

    assert codes.dtype == np.int8
    assert (np.abs(codes).max(axis=1)[np.arange(50) != 3] == 127).all()
    assert np.abs(codes * scales[:, None] - rows).max() <= scales.max() / 2 + 1e-6
    assert not codes[3].any()
    assert scales[3] == 0
