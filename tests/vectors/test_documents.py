"""Documents in batches: the same vectors as the model's own, whatever way they are computed."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

from tests.conftest import bert_tokenizer
from vectors import load_encoder
from vectors.alignment import PROBES
from vectors.batches import Batch
from vectors.devices import cores, devices_here, has_bfloat16
from vectors.encoder import Rows, unit_rows
from vectors.forms import Packed, Padded
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
PROMPT = "a passage of some words: "


def expected(folder: str, texts: list[str], prompt: str = "") -> Rows:
    model = SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": "float32"})
    return unit_rows(model.encode(texts, prompt=prompt, show_progress_bar=False))


def least_cosine(some: Rows, others: Rows) -> float:
    return float(np.sum(some * others, axis=1).min())


def built(
    folder: Path, kind: str, pooling: Any = "mean", *, include_prompt: bool = True, **more: Any
) -> str:
    """A tiny model with random weights; `kind` as transformers names it."""
    tokenizer = bert_tokenizer()
    tokenizer.model_max_length = 120
    torch.manual_seed(5)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer),
        intermediate_size=64,
        max_position_embeddings=130,
        initializer_range=1.0,
        **{"pad_token_id": 0, **sizes, **more},
    )
    getattr(transformers, f"{kind}Model")(config).save_pretrained(folder / "plain")
    tokenizer.save_pretrained(folder / "plain")
    modules = [
        Transformer(str(folder / "plain")),
        Pooling(32, pooling, include_prompt),
        Normalize(),
    ]
    model = SentenceTransformer(modules=modules, prompts={"document": PROMPT}, device="cpu")
    model.save(str(folder / "model"))
    return str(folder / "model")


def test_documents_of_any_length_have_the_vectors_of_the_model(
    minilm: str, published_pair: tuple[str, str]
) -> None:
    for name in (minilm, *published_pair):
        encoder = load_encoder(name)
        assert isinstance(encoder, TransformerEncoder)

        rows = encoder.encode_documents(MIXED)

        wanted = expected(encoder._source.location, MIXED)
        assert least_cosine(rows, wanted) > 0.99999
        assert least_cosine(rows[::-1], wanted) < 0.9


def test_batches_hold_every_text_once(minilm: str) -> None:
    encoder = load_encoder(minilm)
    texts = MIXED * 2

    batches = list(encoder.document_batches(texts))

    assert len(batches) > 1
    assert sorted(i for indices, _ in batches for i in indices) == list(range(len(texts)))
    for indices, rows in batches:
        assert rows.dtype == np.float32
        assert rows.shape == (len(indices), 384)
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

    assert least_cosine(rows, expected(name, MIXED, PROMPT)) > 0.9999
    assert f"encoded {form} in " in caplog.text


@pytest.mark.parametrize("include_prompt", [True, False])
@pytest.mark.parametrize("pooling", ["mean", "cls", "max", ("weightedmean", "lasttoken")])
def test_pooling_is_the_models_own_and_can_leave_out_the_prompt(
    tmp_path: Path, pooling: Any, include_prompt: bool
) -> None:
    name = built(tmp_path, "Bert", pooling, include_prompt=include_prompt)
    texts = [text for text in MIXED if text.strip()]

    rows = load_encoder(name).encode_documents(texts)

    assert least_cosine(rows, expected(name, texts, PROMPT)) > 0.9999


@pytest.mark.parametrize("form", [Packed, Padded])
def test_half_precision_gives_nearly_the_same_vectors(
    minilm: str, form: Callable[..., Packed | Padded]
) -> None:
    encoder = load_encoder(minilm)
    assert isinstance(encoder, TransformerEncoder)
    texts = sorted(PROBES, key=len, reverse=True)
    batch = Batch(tuple(range(len(texts))), tuple(texts), tuple(encoder._tokenized(texts)))

    rows = unit_rows(form(encoder.model, "", torch.bfloat16)(batch).numpy())

    cosines = np.sum(rows * encoder.encode_documents(texts), axis=1)
    assert 0.999 < cosines.mean() < 0.999999
    assert encoder.model.dtype == torch.float32


def test_bfloat16_is_taken_only_where_the_processor_has_it(
    minilm: str, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = load_encoder(minilm, devices=["cpu"])
    caplog.set_level(logging.INFO, "vectors")

    rows = encoder.encode_documents(MIXED)

    if not has_bfloat16(torch.device("cpu")):
        assert "in float32 on cpu" in caplog.text
        pytest.skip("this processor has no bfloat16")
    assert isinstance(encoder, TransformerEncoder)
    wanted = expected(encoder._source.location, MIXED)
    assert np.sum(rows * wanted, axis=1).mean() > 0.999


def test_a_model_that_is_too_large_to_have_twice_is_had_once() -> None:
    assert cores() >= 1
    assert set(devices_here(weights=1 << 50)) == {devices_here(weights=1)[0]}
    if not torch.cuda.is_available():
        assert devices_here(weights=1 << 50) == ("cpu",)
