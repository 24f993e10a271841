"""The precision and the layout in which a model computes documents, from device and model alone.

A trial on a few short texts compares the vectors with the model's own, because a model's name does
not say whether its attention can be replaced or its numbers fit into half precision. Nothing is
timed: every process on a machine chooses the same.
"""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from leafsearch.vectors.encoders.alignment import PROBES
from leafsearch.vectors.encoders.base import Rows, unit_rows
from leafsearch.vectors.encoders.batches import TokenBatch, Tokenize
from leafsearch.vectors.encoders.devices import has_bfloat16
from leafsearch.vectors.encoders.torch.batch_layouts import (
    BatchLayout,
    Fused,
    Packed,
    Padded,
    Plain,
)
from leafsearch.vectors.errors import ModelError

log = logging.getLogger(__name__)

_SAME, _NEAR = 0.9999, 0.999  # least mean cosine to the model, in float32 and in half precision
_KINDS = (Packed, Padded, Plain)  # fastest first
_GPU_KINDS = (Fused, *_KINDS)
_TEXTS = [*PROBES[:4], " ".join(PROBES[:4])]


def select_layout(
    name: str, model: SentenceTransformer, prompt: str, tokenize: Tokenize, precision: str
) -> BatchLayout:
    """`precision`: one of config's ENCODE_PRECISIONS.

    Raises ModelError if the model cannot be computed in the requested precision.
    """
    texts = sorted(_TEXTS, key=len, reverse=True)
    sample = TokenBatch(tuple(range(len(texts))), tuple(texts), tuple(tokenize(texts).tokens))
    expected = _rows(Plain(model, prompt, model.dtype), sample)
    reasons = []
    for dtype in _candidates(model, precision):
        least = _SAME if dtype == torch.float32 else _NEAR
        for kind in _GPU_KINDS if model.device.type == "cuda" else _KINDS:
            try:
                layout = kind(model, prompt, dtype)
                cosine = float(np.sum(_rows(layout, sample) * expected, axis=1).mean())
            except Exception as error:
                # Unusual models raise unusual errors here.
                reasons.append(f"{kind.__name__.lower()}: {error!r}")
                continue
            if cosine >= least:
                _report(name, layout)
                return layout
            reasons.append(
                f"{kind.__name__.lower()}: mean cosine {cosine:.4f} to the model's own vectors, "
                f"expected {least} or more"
            )
        log.debug("model %s cannot be run in %s: %s", name, dtype_name(dtype), reasons)
    raise ModelError(
        f"model {name}: cannot be computed in {precision} on {model.device} ({reasons[-1]}); "
        "choose another --encode-precision, or LEAF_ENCODE_PRECISION: float32 fits every model"
    )


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _candidates(model: SentenceTransformer, precision: str) -> Sequence[torch.dtype]:
    """Precisions to try, best first: float16 is more exact, bfloat16 has the range."""
    if precision != "auto":
        return [getattr(torch, precision)]
    if model.dtype != torch.float32:
        return [model.dtype]
    if model.device.type == "cuda":
        return [torch.float16, torch.bfloat16, torch.float32]
    if has_bfloat16(model.device.type):
        return [torch.bfloat16, torch.float32]
    return [torch.float32]


def _rows(layout: BatchLayout, batch: TokenBatch) -> Rows:
    return unit_rows(layout(batch).float().cpu().numpy())


def _report(name: str, layout: BatchLayout) -> None:
    precision = dtype_name(layout.dtype)
    log.info(
        "model %s: documents are encoded %s in %s on %s",
        name,
        type(layout).__name__.lower(),
        precision,
        layout.device,
    )
    is_emulated = layout.dtype == torch.float16 or not has_bfloat16(layout.device.type)
    if layout.device.type == "cpu" and layout.dtype != torch.float32 and is_emulated:
        log.warning(
            "model %s: documents are encoded in %s, which is slow here: this processor has no "
            "instructions for it (a new collection can take --encode-precision float32)",
            name,
            precision,
        )
