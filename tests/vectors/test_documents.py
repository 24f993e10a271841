"""Documents in batches: the same vectors as the model's own, whatever way they are computed."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from tests.vectors.building import PROMPT, built
from vectors import load_encoder
from vectors.alignment import PROBES
from vectors.batches import Batch
from vectors.devices import cores, devices_here, has_bfloat16
from vectors.encoder import Rows, unit_rows
from vectors.forms import Packed, Padded
from vectors.local_run import LocalRun
from vectors.transformer import TransformerEncoder

MIXED = [
    *PROBES,
    "",
    " ",
    "?",
    "one",
    "one two",
    " ".join(PROBES),
    " ".join(PROBES * 20),
    "words " * 3000,
]
Kind = type[Packed] | type[Padded]


def expected(folder: str, texts: list[str], prompt: str = "") -> Rows:
    """Few at once, because each is padded to the longest."""
    model = SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": "float32"})
    return unit_rows(model.encode(texts, prompt=prompt, batch_size=4, show_progress_bar=False))


def cosines(some: Rows, others: Rows) -> Rows:
    return np.sum(some * others, axis=1)


def loaded(name: str) -> TransformerEncoder:
    encoder = load_encoder(name, devices=["cpu"])
    assert isinstance(encoder, TransformerEncoder)
    return encoder


@pytest.fixture(scope="module")
def model(minilm: str) -> TransformerEncoder:
    return loaded(minilm)


@pytest.fixture(scope="module")
def wanted(model: TransformerEncoder) -> Rows:
    """The vectors of MIXED."""
    return expected(model._source.location, MIXED)


@pytest.mark.parametrize("kind", [Packed, Padded])
def test_documents_of_any_length_have_the_vectors_of_the_model(
    model: TransformerEncoder, wanted: Rows, published_pair: tuple[str, str], kind: Kind
) -> None:
    pair = ((loaded(name), expected(name, MIXED)) for name in published_pair)
    for encoder, vectors in ((model, wanted), *pair):
        rows = in_float32(encoder, kind).encode_documents(MIXED)

        assert cosines(rows, vectors).min() > 0.99999
        assert cosines(rows[::-1], vectors).min() < 0.9


def in_float32(encoder: TransformerEncoder, kind: Kind) -> TransformerEncoder:
    """One that computes documents so, also where another way would be chosen for its speed."""
    other = TransformerEncoder(encoder.name, encoder._source, encoder.model, encoder.devices)
    other.local = LocalRun(kind(encoder.model, encoder.document_prompt, torch.float32))
    return other


def test_batches_hold_every_text_once(published_pair: tuple[str, str]) -> None:
    encoder = load_encoder(published_pair[1])
    texts = MIXED * 12

    batches = list(encoder.document_batches(texts))

    assert len(batches) > 1
    assert sorted(i for indices, _ in batches for i in indices) == list(range(len(texts)))
    for indices, rows in batches:
        assert rows.dtype == np.float32
        assert rows.shape == (len(indices), 64)
    assert list(encoder.document_batches([])) == []


@pytest.mark.parametrize(
    ("kind", "more", "form"),
    [
        ("Bert", {}, "packed"),
        ("Roberta", {"pad_token_id": 4}, "packed"),  # positions begin at 5
        ("ModernBert", {"local_attention": 8}, "padded"),  # looks at its neighbours only
        ("MPNet", {}, "padded"),  # attention that cannot be replaced
    ],
)
def test_other_families_of_models_are_packed_where_their_attention_can_be_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, more: dict[str, Any], form: str
) -> None:
    name = built(tmp_path, kind, **more)
    caplog.set_level(logging.INFO, "vectors")

    rows = load_encoder(name).encode_documents(MIXED)

    assert cosines(rows, expected(name, MIXED, PROMPT)).min() > 0.9999
    assert f"encoded {form} in float32" in caplog.text


@pytest.mark.parametrize("include_prompt", [True, False])
@pytest.mark.parametrize("pooling", ["mean", "cls", "max", ("weightedmean", "lasttoken")])
def test_pooling_is_the_models_own_and_can_leave_out_the_prompt(
    tmp_path: Path, pooling: Any, include_prompt: bool
) -> None:
    name = built(tmp_path, "Bert", pooling, include_prompt=include_prompt)
    texts = [text for text in MIXED if text.strip()]

    rows = load_encoder(name).encode_documents(texts)

    assert cosines(rows, expected(name, texts, PROMPT)).min() > 0.9999


@pytest.mark.parametrize("kind", [Packed, Padded])
def test_half_precision_gives_nearly_the_same_vectors(
    model: TransformerEncoder, wanted: Rows, kind: Kind
) -> None:
    texts = sorted(PROBES, key=len, reverse=True)
    batch = Batch(tuple(range(len(texts))), tuple(texts), tuple(model._tokenized(texts)))

    rows = unit_rows(kind(model.model, "", torch.bfloat16)(batch).numpy())

    near = cosines(rows, wanted[[PROBES.index(text) for text in texts]])
    assert 0.999 < near.mean() < 0.999999
    assert model.model.dtype == torch.float32


def test_bfloat16_is_taken_only_where_the_processor_has_it(
    minilm: str, wanted: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vectors")

    rows = loaded(minilm).encode_documents(MIXED)

    if not has_bfloat16(torch.device("cpu")):
        assert "in float32 on cpu" in caplog.text
        assert cosines(rows, wanted).min() > 0.99999
    assert cosines(rows, wanted).mean() > 0.999


def test_a_model_that_is_too_large_to_have_twice_is_had_once() -> None:
    assert cores() >= 1
    assert set(devices_here(weights=1 << 50)) == {devices_here(weights=1)[0]}
    if not torch.cuda.is_available():
        assert devices_here(weights=1 << 50) == ("cpu",)
