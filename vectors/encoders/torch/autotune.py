"""The precision and the layout in which a model computes documents, from device and model alone.

A trial on a few short texts compares the vectors with the model's own, because no name tells
whether a model's attention can be replaced or its numbers fit into half precision. Nothing is
timed: every process on a machine chooses the same.
"""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from leafsearch.vectors.encoders.alignment import PROBES
from leafsearch.vectors.encoders.base import Rows, unit_rows
from leafsearch.vectors.encoders.batches import Batch, Tokenize
from leafsearch.vectors.encoders.devices import has_bfloat16
from leafsearch.vectors.encoders.torch.batch_layouts import Form, Fused, Packed, Padded, Plain
from leafsearch.vectors.errors import ModelError

log = logging.getLogger(__name__)

_SAME, _NEAR = 0.9999, 0.999  # least mean cosine to the model, in float32 and in half precision
_KINDS = (Packed, Padded, Plain)  # fastest first
_GPU_KINDS = (Fused, *_KINDS)
_TEXTS = [*PROBES[:4], " ".join(PROBES[:4])]


def best_form(
    name: str, model: SentenceTransformer, prompt: str, tokenize: Tokenize, precision: str
) -> Form:
    """`precision`: one of config's ENCODE_PRECISIONS.

    Raises ModelError where the model cannot be computed in the precision that is asked for.
    """
    texts = sorted(_TEXTS, key=len, reverse=True)
    sample = Batch(tuple(range(len(texts))), tuple(texts), tuple(tokenize(texts)))
    expected = _rows(Plain(model, prompt, model.dtype), sample)
    reasons = []
    for dtype in _candidates(model, precision):
        least = _SAME if dtype == torch.float32 else _NEAR
        for kind in _GPU_KINDS if model.device.type == "cuda" else _KINDS:
            try:
                form = kind(model, prompt, dtype)
                cosine = float(np.sum(_rows(form, sample) * expected, axis=1).mean())
            except Exception as error:
                # What an unusual model makes of this is as unusual.
                reasons.append(f"{kind.__name__.lower()}: {error!r}")
                continue
            if cosine >= least:
                _report(name, form)
                return form
            reasons.append(
                f"{kind.__name__.lower()}: mean cosine {cosine:.4f} to the model's own vectors, "
                f"expected {least} or more"
            )
        log.debug("model %s is not encoded in %s: %s", name, dtype_name(dtype), reasons)
    raise ModelError(
        f"model {name}: cannot be computed in {precision} on {model.device} ({reasons[-1]}); "
        "choose another --encode-precision, or LEAF_ENCODE_PRECISION: float32 fits every model"
    )


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _candidates(model: SentenceTransformer, precision: str) -> Sequence[torch.dtype]:
    """The first that gives the model's vectors is taken; float16 is nearer, bfloat16 has range."""
    if precision != "auto":
        return [getattr(torch, precision)]
    if model.dtype != torch.float32:
        return [model.dtype]
    if model.device.type == "cuda":
        return [torch.float16, torch.bfloat16, torch.float32]
    if has_bfloat16(model.device.type):
        return [torch.bfloat16, torch.float32]
    return [torch.float32]


def _rows(form: Form, batch: Batch) -> Rows:
    return unit_rows(form(batch).float().cpu().numpy())


def _report(name: str, form: Form) -> None:
    precision = dtype_name(form.dtype)
    log.info(
        "model %s: documents are encoded %s in %s on %s",
        name,
        type(form).__name__.lower(),
        precision,
        form.device,
    )
    is_emulated = form.dtype == torch.float16 or not has_bfloat16(form.device.type)
    if form.device.type == "cpu" and form.dtype != torch.float32 and is_emulated:
        log.warning(
            "model %s: documents are encoded in %s, which is slow here: this processor has no "
            "instructions for it (a new collection can take --encode-precision float32)",
            name,
            precision,
        )
