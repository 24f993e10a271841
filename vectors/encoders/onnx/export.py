"""Exports a sentence-transformers model to a folder that GraphEncoder loads. Needs torch."""

import copy
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch

from leafsearch.vectors.encoders.alignment import PROBES
from leafsearch.vectors.encoders.onnx.encoder import GraphEncoder, load_onnxruntime
from leafsearch.vectors.encoders.onnx.folder import GRAPH, TOKENIZER, TOKENS, Card, new_folder
from leafsearch.vectors.encoders.torch.encoder import TransformerEncoder
from leafsearch.vectors.errors import ExportError

_LEAST_COSINE = 0.9999
_OUTPUT = "unit_embedding"
_OPSET = 17


def export(encoder: TransformerEncoder, folder: Path) -> None:
    """Raises ExportError if the export fails, or the graph gives other vectors than the model."""
    with new_folder(folder, prefix="exporting-") as made:
        inputs = _write_graph(encoder.model, made / GRAPH)
        encoder.tokenizer.save(str(made / TOKENIZER))
        _card(encoder, inputs).write(made)
        _check(encoder, GraphEncoder.load(made))


def export_transformer(model: Any, file: Path) -> None:
    """Write the graph that models publish on the hub: a row for each token, no pooling or head.

    Raises ExportError.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with _explain_failure(), _silence(), _traceable(model) as traced, torch.no_grad():
        _trace(traced, file, _Tokens, TOKENS)


class _Unit(torch.nn.Module):
    """All modules of the model in their order, then the normalisation that some lack."""

    def __init__(self, model: Any, inputs: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.inputs = inputs

    def forward(self, *columns: torch.Tensor) -> torch.Tensor:
        features = self.model(dict(zip(self.inputs, columns, strict=True)))
        return torch.nn.functional.normalize(features["sentence_embedding"], dim=-1)


class _Tokens(_Unit):
    def forward(self, *columns: torch.Tensor) -> torch.Tensor:
        features = self.model[0](dict(zip(self.inputs, columns, strict=True)))
        found: torch.Tensor = features["token_embeddings"]
        return found


def _trace(model: Any, file: Path, form: type[_Unit], output: str) -> tuple[str, ...]:
    """Uses torch's older exporter, because ONNX Runtime's optimizer fuses more of its graph.

    (The newer one leaves attention in 40 small nodes, which costs a short query a tenth of its
    time.)
    """
    example = model.tokenizer(["some text", "a longer text"], return_tensors="pt", padding=True)
    inputs = tuple(example.keys())
    axes = {name: {0: "batch", 1: "tokens"} for name in inputs}
    rows = {0: "batch", 1: "tokens"} if output == TOKENS else {0: "batch"}
    torch.onnx.export(
        form(model, inputs).eval(),
        tuple(example.values()),
        str(file),
        input_names=list(inputs),
        output_names=[output],
        dynamic_axes={**axes, output: rows},
        opset_version=_OPSET,
        dynamo=False,
    )
    return inputs


def _write_graph(model: Any, file: Path) -> tuple[str, ...]:
    load_onnxruntime()
    from onnxruntime.transformers.optimizer import optimize_model

    with _explain_failure(), _silence(), _traceable(model) as traced, torch.no_grad():
        inputs = _trace(traced, file, _Unit, _OUTPUT)
        config = model[0].auto_model.config
        fused = optimize_model(
            str(file),
            model_type="bert",
            num_heads=getattr(config, "num_attention_heads", 0),
            hidden_size=getattr(config, "hidden_size", 0),
            opt_level=0,
        )
        fused.save_model_to_file(str(file))
    return inputs


@contextmanager
def _explain_failure() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Unusual models make the exporter raise unusual errors.
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ExportError(f"the model cannot be exported to ONNX: {reason[0]}") from error


@contextmanager
def _traceable(model: Any) -> Iterator[Any]:
    """The model on a CPU in float32 with eager attention, the form that the optimizer fuses."""
    if model.device.type != "cpu" or model.dtype != torch.float32:
        model = copy.deepcopy(model).float().cpu()
    transformer = model[0].auto_model
    before = transformer.config._attn_implementation
    transformer.set_attn_implementation("eager")
    try:
        yield model
    finally:
        transformer.set_attn_implementation(before)


def _card(encoder: TransformerEncoder, inputs: tuple[str, ...]) -> Card:
    return Card(
        name=encoder.name,
        revision=encoder.revision,
        dimensions=encoder.dimensions,
        max_tokens=encoder.max_tokens,
        query_prompt=encoder.query_prompt,
        document_prompt=encoder.document_prompt,
        pad_id=int(encoder.model.tokenizer.pad_token_id or 0),
        inputs=inputs,
        output=_OUTPUT,
    )


def _check(encoder: TransformerEncoder, exported: GraphEncoder) -> None:
    """Compare queries one by one and in a padded batch."""
    texts = [*PROBES, " ".join(PROBES)]
    wanted = encoder.encode_queries(texts)
    together = exported.encode_queries(texts)
    alone = np.vstack([exported.encode_queries([text]) for text in texts])
    worst = min(float(np.sum(wanted * rows, axis=1).min()) for rows in (together, alone))
    if worst < _LEAST_COSINE:
        raise ExportError(
            f"model {encoder.name}: its ONNX export gives other vectors (cosine {worst:.4f} to the "
            f"model's own); expected {_LEAST_COSINE} or more"
        )


@contextmanager
def _silence() -> Iterator[None]:
    """Silence the exporter and the optimizer: stdout, warnings and loggers."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
