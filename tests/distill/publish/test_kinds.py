"""Teachers and students of kinds that are not BERT, as they are published."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding, Transformer
from transformers import AutoConfig, AutoModel

from leafsearch.distill.errors import DistillError
from leafsearch.distill.publish.publish import require_publishable
from leafsearch.distill.run import load_teacher
from leafsearch.distill.train.student import cut, wrap
from leafsearch.vectors import load_encoder
from leafsearch.vectors.encoders import PROBES, TransformerEncoder, export_transformer
from leaftests.distill.making import built, saved, vocabulary
from leaftests.models import bert_tokenizer

OF_THE_WHOLE = "modules.json", "config_sentence_transformers.json"
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
}
KINDS: dict[str, dict[str, Any]] = {
    "modernbert": {"global_attn_every_n_layers": 3},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 8},
    "gemma3_text": {"num_key_value_heads": 2, "head_dim": 8},
}


def made(kind: str, folder: Path) -> TransformerEncoder:
    tokenizer = bert_tokenizer(vocabulary())
    torch.manual_seed(1)
    ids = {f"{name}_token_id": 0 for name in ("pad", "bos", "eos", "cls", "sep")}
    options = {**SHAPE, **KINDS[kind], **ids, "vocab_size": len(tokenizer)}
    model = AutoModel.from_config(AutoConfig.for_model(kind, **options))
    model.save_pretrained(folder / "plain")
    tokenizer.save_pretrained(folder / "plain")
    modules = [Transformer(str(folder / "plain")), Pooling(32, pooling_mode="mean")]
    return load_teacher(saved(SentenceTransformer(modules=modules), folder / "model"), ("cpu",))


@pytest.mark.parametrize("kind", KINDS)
def test_layers_of_other_kinds_are_the_same_when_saved_and_loaded(
    kind: str, tmp_path: Path
) -> None:
    teacher = made(kind, tmp_path)
    student = cut(teacher, [0, 2, 5])
    with torch.no_grad():
        student[2].linear.weight.copy_(torch.eye(32))

    student.save(str(tmp_path / "student"), create_model_card=False)
    loaded = SentenceTransformer(str(tmp_path / "student"), device="cpu", local_files_only=True)

    texts = [*PROBES, " ".join(PROBES)]
    assert len(loaded[0].auto_model.layers) == 3
    assert np.allclose(loaded.encode(texts), student.encode(texts), atol=1e-5)


def test_a_student_that_cannot_be_published_is_rejected_before_the_work(
    teacher: str, tmp_path: Path
) -> None:
    student = cut(load_teacher(teacher, ("cpu",)), [0, 3])
    require_publishable(student, tmp_path)

    student[0].auto_model.config.num_attention_heads = 2
    with pytest.raises(DistillError, match="other vectors after it is saved and loaded"):
        require_publishable(student, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_small_model_may_be_in_the_older_layout(teacher: str, tmp_path: Path) -> None:
    folder = Path(saved(built(tmp_path / "bert", width=32, layers=2, seed=3), tmp_path / "new"))
    old = tmp_path / "old"
    shutil.copytree(folder, old, ignore=lambda *_: ["0_Transformer"])
    (old / "0_Transformer").mkdir()
    for file in folder.iterdir():
        if file.is_file() and file.name not in OF_THE_WHOLE:
            shutil.move(old / file.name, old / "0_Transformer")
    modules = (old / "modules.json").read_text()
    (old / "modules.json").write_text(modules.replace('"path": ""', '"path": "0_Transformer"'))

    student = wrap(str(old), load_teacher(teacher, ("cpu",)))

    assert len(student[0].auto_model.encoder.layer) == 2


def test_a_small_model_without_a_transformer_is_rejected(teacher: str, tmp_path: Path) -> None:
    static = StaticEmbedding(bert_tokenizer(vocabulary()).backend_tokenizer, embedding_dim=16)
    name = saved(SentenceTransformer(modules=[static], device="cpu"), tmp_path / "static")

    with pytest.raises(DistillError, match="expected a model that begins with a transformer"):
        wrap(name, load_teacher(teacher, ("cpu",)))


def test_a_model_in_half_precision_is_exported_in_single(teacher: str, tmp_path: Path) -> None:
    """A teacher loaded onto a GPU is in half precision too; that is not tested here."""
    model = load_encoder(teacher)
    assert isinstance(model, TransformerEncoder)
    model.model.to(torch.bfloat16)

    export_transformer(model.model, tmp_path / "model.onnx")

    assert model.model.dtype == torch.bfloat16
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    assert {one.type for one in session.get_outputs()} == {"tensor(float)"}
    features = model.model.tokenizer(["a text"], return_tensors="np")
    (rows,) = session.run(None, dict(features))
    asked = {name: torch.tensor(value) for name, value in features.items()}
    with torch.no_grad():
        wanted = model.model[0].auto_model.float()(**asked)
    assert np.allclose(rows, wanted.last_hidden_state.numpy(), atol=1e-3)
