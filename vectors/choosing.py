"""Which form and precision a model's documents are computed in: the fastest that is the same.

Tried on a few short texts, because neither is known from a model's name: whether its attention can
be replaced, and whether this processor is faster with bfloat16. Other vectors than the model's own
are never taken for speed.
"""

import logging
import time
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from vectors.alignment import PROBES
from vectors.batches import Batch, Tokenize
from vectors.devices import has_bfloat16
from vectors.encoder import Rows, unit_rows
from vectors.forms import Form, Packed, Padded, Plain

log = logging.getLogger(__name__)

_SAME, _NEAR = 0.9999, 0.999  # mean cosine, in the precision of the model and in half of it
_HALVES = (torch.float16, torch.bfloat16)  # the first is nearer, the second never overflows
_TEXTS = [*PROBES[:4], " ".join(PROBES[:4])]
_TIMES = 3


def best_form(name: str, model: SentenceTransformer, prompt: str, tokenize: Tokenize) -> Form:
    sample = _sample(tokenize)
    plain = Plain(model, prompt)
    expected = _rows(plain, sample)

    def first(dtypes: Iterable[torch.dtype], least: float) -> Form | None:
        for dtype in dtypes:
            for kind in (Packed, Padded):
                form = _tried(kind, model, prompt, dtype, sample, expected, least)
                if form:
                    return form
        return None

    halves: Sequence[torch.dtype] = ()
    if model.dtype == torch.float32 and has_bfloat16(model.device):
        halves = _HALVES if model.device.type == "cuda" else (torch.bfloat16,)
    half = first(halves, _NEAR)
    if half and model.device.type == "cuda":
        return _told(name, half, "half precision")
    usual = first([model.dtype], _SAME if model.dtype == torch.float32 else _NEAR) or plain
    if half and _seconds(half, sample) < _seconds(usual, sample):
        return _told(name, half, "bfloat16")
    return _told(name, usual, str(model.dtype).removeprefix("torch."))


def _tried(
    kind: type[Packed] | type[Padded],
    model: SentenceTransformer,
    prompt: str,
    dtype: torch.dtype,
    sample: Batch,
    expected: Rows,
    least: float,
) -> Form | None:
    try:
        form = kind(model, prompt, dtype)
        cosine = float(np.sum(_rows(form, sample) * expected, axis=1).mean())
    except Exception as error:
        # What a model of an unusual kind makes of this is as unusual.
        log.debug("documents not %s in %s: %r", kind.__name__, dtype, error)
        return None
    log.debug("documents %s in %s: mean cosine %.6f", kind.__name__, dtype, cosine)
    return form if cosine >= least else None


def _sample(tokenize: Tokenize) -> Batch:
    texts = sorted(_TEXTS, key=len, reverse=True)
    return Batch(tuple(range(len(texts))), tuple(texts), tuple(tokenize(texts)))


def _rows(form: Form, batch: Batch) -> Rows:
    return unit_rows(form(batch).float().cpu().numpy())


def _seconds(form: Form, batch: Batch) -> float:
    """The least of a few; the first run has been already."""
    found = []
    for _ in range(_TIMES):
        start = time.perf_counter()
        form(batch)
        found.append(time.perf_counter() - start)
    return min(found)


def _told(name: str, form: Form, precision: str) -> Form:
    log.info(
        "model %s: documents are encoded %s in %s on %s",
        name,
        type(form).__name__.lower(),
        precision,
        form.device,
    )
    return form
