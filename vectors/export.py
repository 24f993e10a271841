"""From a sentence-transformers model to the folder that vectors.graph loads. Needs torch."""

import io
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vectors.alignment import PROBES
from vectors.errors import ExportError
from vectors.graph import GRAPH, TOKENIZER, Card, GraphEncoder
from vectors.transformer import TransformerEncoder

_LEAST_COSINE = 0.9999
_OUTPUT = "unit_embedding"


def export(encoder: TransformerEncoder, folder: Path) -> None:
    """Raises ExportError if it cannot be done, or the graph gives other vectors than the model."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="exporting-", dir=folder.parent))
    try:
        inputs = _write_graph(encoder.model, made / GRAPH)
        encoder.tokenizer.save(str(made / TOKENIZER))
        _card(encoder, inputs).write(made)
        _check(encoder, GraphEncoder.load(made))
        # In one step, so that nobody ever loads half of it; who comes second has the same.
        if not folder.exists():
            os.replace(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


class _Unit(torch.nn.Module):
    """All modules of the model in their order, then the normalisation that some lack."""

    def __init__(self, model: Any, inputs: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.inputs = inputs

    def forward(self, *columns: torch.Tensor) -> torch.Tensor:
        features = self.model(dict(zip(self.inputs, columns, strict=True)))
        return torch.nn.functional.normalize(features["sentence_embedding"], dim=-1)


def _write_graph(model: Any, file: Path) -> tuple[str, ...]:
    example = model.tokenizer(["some text", "a longer text"], return_tensors="pt", padding=True)
    inputs = tuple(example.keys())
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens", max=_positions(model))}
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                _Unit(model, inputs).eval(),
                tuple(example.values()),
                input_names=list(inputs),
                output_names=[_OUTPUT],
                dynamic_shapes=((axes,) * len(inputs),),
                dynamo=True,
            )
            if program is None:
                raise ExportError("the exporter gave no program")
            program.save(str(file))
    except Exception as error:
        # What a model of an unusual kind makes the exporter raise is as unusual.
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ExportError(f"the model cannot be exported to ONNX: {reason[0]}") from error
    return inputs


def _positions(model: Any) -> int:
    return int(getattr(model[0].auto_model.config, "max_position_embeddings", 8192))


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
    """On single texts and on a padded batch, as queries."""
    texts = [*PROBES, " ".join(PROBES)]
    wanted = encoder.encode_queries(texts)
    together = exported.encode_queries(texts)
    alone = np.vstack([exported.encode_queries([text]) for text in texts])
    worst = min(float(np.sum(wanted * rows, axis=1).min()) for rows in (together, alone))
    if worst < _LEAST_COSINE:
        raise ExportError(
            f"model {encoder.name}: its ONNX export gives vectors of cosine {worst:.4f} to the "
            f"model's own; expected at least {_LEAST_COSINE}"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks on stdout, in warnings and in the log; its errors still come through."""
    talk = logging.getLogger("torch.onnx")
    level = talk.level
    talk.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        talk.setLevel(level)
