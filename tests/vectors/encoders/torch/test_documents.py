"""Documents in batches: the same vectors as the model's own, whatever way they are computed."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from leafsearch.vectors import ModelError, load_encoder
from leafsearch.vectors.encoders import (
    PROBES,
    TransformerEncoder,
    attend_packed,
    cores,
    has_bfloat16,
    unit_rows,
)
from leafsearch.vectors.encoders.base import Rows
from leafsearch.vectors.encoders.batches import TokenBatch
from leafsearch.vectors.encoders.devices import default_devices
from leafsearch.vectors.encoders.torch.batch_layouts import Fused, Packed, Padded
from leafsearch.vectors.encoders.torch.fused_layers import add_norm, compiled_norm, fuse
from leafsearch.vectors.encoders.torch.model import LocalRun
from leaftests.vectors.building import MIXED, PROMPT, built

Kind = type[Packed] | type[Padded] | type[Fused]


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
    caplog.set_level(logging.INFO, "leafsearch.vectors")

    rows = load_encoder(name, precision="float32").encode_documents(MIXED)

    assert cosines(rows, expected(name, MIXED, PROMPT)).min() > 0.9999
    assert f"encoded {form} in float32" in caplog.text


@pytest.mark.parametrize("include_prompt", [True, False])
@pytest.mark.parametrize("pooling", ["mean", "cls", "max", ("weightedmean", "lasttoken")])
def test_pooling_is_the_models_own_and_can_leave_out_the_prompt(
    tmp_path: Path, pooling: Any, include_prompt: bool
) -> None:
    name = built(tmp_path, "Bert", pooling, include_prompt=include_prompt)
    texts = [text for text in MIXED if text.strip()]

    rows = load_encoder(name, precision="float32").encode_documents(texts)

    assert cosines(rows, expected(name, texts, PROMPT)).min() > 0.9999


@pytest.mark.parametrize("kind", [Packed, Padded])
def test_half_precision_gives_nearly_the_same_vectors(
    model: TransformerEncoder, wanted: Rows, kind: Kind
) -> None:
    texts = sorted(PROBES, key=len, reverse=True)
    tokens = model.tokenize(texts).tokens
    batch = TokenBatch(tuple(range(len(texts))), tuple(texts), tuple(tokens))

    rows = unit_rows(kind(model.model, "", torch.bfloat16)(batch).numpy())

    near = cosines(rows, wanted[[PROBES.index(text) for text in texts]])
    assert 0.999 < near.mean() < 0.999999
    assert model.model.dtype == torch.float32


def test_auto_is_bfloat16_exactly_where_the_processor_has_instructions_for_it(
    model: TransformerEncoder, wanted: Rows
) -> None:
    has_instructions = has_bfloat16()

    rows = model.encode_documents(MIXED)

    assert model.encode_precision == ("bfloat16" if has_instructions else "float32")
    assert cosines(rows, wanted).mean() > (0.999 if has_instructions else 0.99999)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_requested_precision_is_used_on_any_processor(
    minilm: str, wanted: Rows, precision: str
) -> None:
    encoder = load_encoder(minilm, devices=["cpu"], precision=precision)
    texts = MIXED[: len(PROBES)]

    near = cosines(encoder.encode_documents(texts), wanted[: len(texts)])

    assert encoder.encode_precision == precision
    least = {"float32": 0.999999, "float16": 0.99999, "bfloat16": 0.999}[precision]
    assert near.mean() > least
    if precision != "float32":
        assert near.mean() < 0.9999999


def test_a_processor_without_instructions_for_a_precision_logs_a_warning(
    published_pair: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """No processor here multiplies float16."""
    for precision, is_slow in (("float16", True), ("float32", False)):
        caplog.clear()
        encoder = load_encoder(published_pair[0], devices=["cpu"], precision=precision)

        assert encoder.encode_precision == precision
        assert ("is slow here" in caplog.text) == is_slow


def test_a_model_that_half_precision_changes_stays_in_float32(tmp_path: Path) -> None:
    name = built(tmp_path, "Bert")

    assert load_encoder(name, devices=["cpu"]).encode_precision == "float32"
    with pytest.raises(ModelError, match=r"cannot be computed in bfloat16 on cpu \(.*expected"):
        load_encoder(name, devices=["cpu"], precision="bfloat16").encode_documents(["text"])


def test_a_model_too_large_for_two_copies_gets_one_process() -> None:
    assert cores() >= 1
    assert default_devices(weights=1 << 50, gpus=0) == ("cpu",)
    assert set(default_devices(weights=1, gpus=0)) == {"cpu"}
    assert default_devices(weights=1 << 50, gpus=2) == ("cuda:0", "cuda:1")


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("Bert", {}),
        ("Roberta", {"pad_token_id": 4}),
        ("XLMRoberta", {"pad_token_id": 4}),
        ("Electra", {"embedding_size": 32}),
    ],
)
def test_fused_layers_give_the_vectors_of_the_model(
    tmp_path: Path, kind: str, more: dict[str, Any]
) -> None:
    """Made for a GPU; the same steps run on a CPU. GELU in its tanh form is a little off."""
    name = built(tmp_path, kind, initializer_range=0.2, **more)

    rows = in_float32(loaded(name), Fused).encode_documents(MIXED)

    assert cosines(rows, expected(name, MIXED, PROMPT)).min() > 0.9999
    assert cosines(rows[::-1], rows).min() < 0.98


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("Bert", {"hidden_act": "relu"}),
        ("Bert", {"is_decoder": True}),
        ("MPNet", {}),  # its attention has positions of its own
        ("ModernBert", {}),
    ],
)
def test_layers_of_another_shape_are_not_fused(
    tmp_path: Path, kind: str, more: dict[str, Any]
) -> None:
    model = loaded(built(tmp_path, kind, **more)).model

    with pytest.raises(NotImplementedError):
        fuse(model[0].model, attend_packed)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a device that torch compiles for is here")
def test_where_torch_cannot_compile_residual_and_norm_stay_two_steps(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "leafsearch.vectors")

    assert compiled_norm(torch.device("cuda")) is add_norm
    assert "torch cannot compile here" in caplog.text
