"""Packs texts into one long row without padding, in which each text attends to itself only.

The model's own layers see one text of many tokens. Only its attention is replaced, through
transformers' registry of attention functions: on a GPU by torch's flash attention for rows of
varying length, on a CPU by torch's usual attention over all texts of one length at once. The
pooling of sentence-transformers recognises such rows by `cu_seq_lens_q`, where the texts begin.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from transformers import AttentionInterface

from leafsearch.vectors.encoders.batches import Tokens

ATTENTION = "leafsearch_packed"
PACKED_FEATURES = ("cu_seq_lens_q", "max_length_q", "seq_idx", "equal_lengths")
# Options of attention functions that this one lacks. It must not ignore them, and short texts would
# not reveal that it did.
_UNKNOWN = ("sliding_window", "softcap", "s_aux", "position_bias")


def pack_tokens(tokens: Sequence[Tokens], first_position: int) -> dict[str, Any]:
    """Model inputs on the CPU; `first_position` is the number of the model's first position."""
    lengths = [len(one) for one in tokens]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    positions = np.concatenate([np.arange(length) for length in lengths]) + first_position
    return {
        "input_ids": torch.from_numpy(np.concatenate(tokens))[None],
        "position_ids": torch.from_numpy(positions)[None],
        "seq_idx": torch.from_numpy(np.repeat(np.arange(len(tokens)), lengths))[None],
        "cu_seq_lens_q": torch.from_numpy(starts.astype(np.int32)),
        "max_length_q": max(lengths),
        "equal_lengths": [(length, len(list(same))) for length, same in groupby(lengths)],
    }


def attend_packed(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    cu_seq_lens_q: torch.Tensor,
    max_length_q: int,
    equal_lengths: Sequence[tuple[int, int]],
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attention within each text: (1, heads, tokens, width) each, to (1, tokens, heads, width)."""
    require_packable(module, attention_mask, options)
    if query.device.type == "cuda":
        from torch.nn.attention.varlen import varlen_attn

        queries, keys, values = (part[0].transpose(0, 1) for part in (query, key, value))
        starts, longest = cu_seq_lens_q, max_length_q
        found = varlen_attn(queries, keys, values, starts, starts, longest, longest, scale=scaling)
        assert isinstance(found, torch.Tensor)  # it is a pair only on request
        return found[None], None
    return _by_length(query[0], key[0], value[0], scaling, equal_lengths)[None], None


def require_packable(
    module: Any, attention_mask: torch.Tensor | None, options: Mapping[str, Any]
) -> None:
    asked = [name for name in _UNKNOWN if options.get(name) is not None]
    if asked or attention_mask is not None or getattr(module, "is_causal", False):
        raise NotImplementedError(f"attention with {asked or 'a mask'} is not packed")


def _by_length(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scaling: float | None,
    equal_lengths: Sequence[tuple[int, int]],
) -> torch.Tensor:
    heads, tokens, width = query.shape
    found = query.new_empty(tokens, heads, width)
    start = 0
    # In bfloat16 plain products take four fifths of the time of torch's attention on a CPU.
    in_products = query.dtype == torch.bfloat16
    for length, count in equal_lengths:
        some = slice(start, start + length * count)
        start = some.stop
        if in_products:
            rows = attend_in_products(query[:, some], key[:, some], value[:, some], length, scaling)
            found[some] = rows.transpose(0, 1)
            continue
        # Views: (heads, count * length, width) as (count, heads, length, width).
        queries, keys, values = (
            whole[:, some].view(heads, count, length, width).transpose(0, 1)
            for whole in (query, key, value)
        )
        rows = torch.nn.functional.scaled_dot_product_attention(
            queries, keys, values, scale=scaling
        )
        found[some] = rows.transpose(1, 2).flatten(0, 1)
    return found


def attend_in_products(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    length: int,
    scaling: float | None,
) -> torch.Tensor:
    """(heads, tokens, width) each, of texts with `length` tokens; returns the same shape."""
    heads, tokens, width = query.shape
    queries, keys, values = (
        whole.reshape(heads * tokens // length, length, width) for whole in (query, key, value)
    )
    scale = width**-0.5 if scaling is None else scaling
    scores = torch.baddbmm(queries.new_empty(1), queries, keys.mT, beta=0, alpha=scale)
    return torch.bmm(torch.softmax(scores, dim=-1), values).view(heads, tokens, width)


AttentionInterface.register(ATTENTION, attend_packed)
