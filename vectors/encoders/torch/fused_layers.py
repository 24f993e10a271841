"""Computes layers of BERT's shape in fewer, larger steps, for packed batches on a GPU.

`fuse` replaces the layers of a transformer by layers with the same weights: one product computes
queries, keys and values, GELU runs in the epilogue of its product, and residual and layer norm are
one compiled kernel. BERT, RoBERTa, XLM-RoBERTa, CamemBERT and ELECTRA have this shape; embeddings,
pooling and head stay the model's. The epilogue's GELU is the tanh form, so the caller must compare
the vectors with those of the model.
"""

import logging
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.nn.functional import gelu, layer_norm, linear

log = logging.getLogger(__name__)

Norm = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, float], torch.Tensor]
Attend = Callable[..., tuple[torch.Tensor, None]]


def fuse(transformer: Any, attend: Attend) -> None:
    """Replace the layers in place; `attend` has the signature of transformers' attention functions.

    Raises NotImplementedError if a layer has another shape.
    """
    layers = getattr(getattr(transformer, "encoder", None), "layer", None)
    if not layers:
        raise NotImplementedError(f"{type(transformer).__name__} has no layers of BERT's shape")
    for layer in layers:
        require_bert_shape(layer)
    norm = norm_for(layers[0].output.dense.weight.device)
    for number, layer in enumerate(layers):
        layers[number] = FusedLayer(layer, attend, norm)


class FusedLayer(torch.nn.Module):
    """(1, tokens, hidden) to the same shape, like the layer whose weights it holds."""

    def __init__(self, layer: Any, attend: Attend, add_norm: Norm) -> None:
        super().__init__()
        attention, parts = layer.attention, layer.attention.self
        self._heads = parts.num_attention_heads
        self._scaling = parts.scaling
        self._attend, self._add_norm = attend, add_norm
        three = (parts.query, parts.key, parts.value)
        self.qkv = _frozen(torch.cat([one.weight for one in three]))
        self.qkv_bias = _frozen(torch.cat([one.bias for one in three]))
        self.mixed, self.attention_norm = attention.output.dense, attention.output.LayerNorm
        self.wide, self.narrow = layer.intermediate.dense, layer.output.dense
        self.output_norm = layer.output.LayerNorm

    def forward(self, hidden_states: torch.Tensor, *unused: Any, **options: Any) -> torch.Tensor:
        hidden = hidden_states[0]
        tokens = len(hidden)
        query, key, value = (
            linear(hidden, self.qkv, self.qkv_bias)
            .view(tokens, 3, self._heads, -1)
            .permute(1, 2, 0, 3)[:, None]
        )
        options |= {"scaling": self._scaling}
        attended, _ = self._attend(self, query, key, value, None, **options)
        attended = linear(attended.reshape(tokens, -1), self.mixed.weight, self.mixed.bias)
        hidden = self._normed(attended, hidden, self.attention_norm)
        wide = gelu_linear(hidden, self.wide.weight, self.wide.bias)
        narrow = linear(wide, self.narrow.weight, self.narrow.bias)
        return self._normed(narrow, hidden, self.output_norm)[None]

    def _normed(self, new: torch.Tensor, old: torch.Tensor, norm: Any) -> torch.Tensor:
        return self._add_norm(new, old, norm.weight, norm.bias, norm.eps)


def require_bert_shape(layer: Any) -> None:
    """Raises NotImplementedError for a layer that computes something else."""
    try:
        parts, activation = layer.attention.self, layer.intermediate.intermediate_act_fn
        known = (
            not layer.is_decoder
            and type(activation).__name__ == "GELUActivation"
            and parts.query.weight.shape == parts.key.weight.shape == parts.value.weight.shape
            and getattr(parts, "position_embedding_type", "absolute") == "absolute"
            and all(one.bias is not None for one in (parts.query, parts.key, parts.value))
        )
    except AttributeError as error:
        raise NotImplementedError(f"{type(layer).__name__} has another shape: {error}") from error
    if not known:
        raise NotImplementedError(
            f"{type(layer).__name__} does not compute what BERT's layers compute"
        )


def gelu_linear(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """GELU (tanh form) of `rows @ weight.T + bias`, in the product's epilogue where torch can."""
    if rows.is_cuda and hasattr(torch, "_addmm_activation"):
        found: torch.Tensor = torch._addmm_activation(bias, rows, weight.t(), use_gelu=True)
        return found
    return gelu(linear(rows, weight, bias), approximate="tanh")


def add_norm(
    new: torch.Tensor, old: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float
) -> torch.Tensor:
    return layer_norm(new + old, weight.shape, weight, bias, eps)


@cache
def norm_for(device: torch.device) -> Norm:
    """`add_norm` as one kernel on a GPU, compiled once in a process."""
    return compiled_norm(device) if device.type == "cuda" else add_norm


def compiled_norm(device: torch.device) -> Norm:
    """`add_norm` compiled, or unchanged if torch cannot compile.

    torch caches the kernel on disk, so only the first process waits for long.
    """
    started = time.perf_counter()
    try:
        compiled: Norm = torch.compile(add_norm, dynamic=True)
        for tokens in (64, 96):
            rows = torch.ones(tokens, 64, device=device)
            compiled(rows, rows, rows[0], rows[0], 1e-12)
    except Exception as error:
        # Triton, a C compiler or a cache folder may be missing; each raises another error.
        log.info("residual and layer norm stay two kernels: torch cannot compile here (%r)", error)
        return add_norm
    log.info("residual and layer norm compiled in %.1f s", time.perf_counter() - started)
    return compiled


def _frozen(weight: torch.Tensor) -> torch.nn.Parameter:
    return torch.nn.Parameter(weight.detach().contiguous(), requires_grad=False)
