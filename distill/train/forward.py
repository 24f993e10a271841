"""Runs a batch through the student with gradients, packed in one row if the model allows it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from transformers import AttentionInterface

from leafsearch.vectors.encoders import (
    PACKED_FEATURES,
    Tokens,
    attend_in_products,
    attend_packed,
    has_bfloat16,
    pack_tokens,
    require_packable,
)

_SAME = 0.999
_ATTENTION = "leafsearch_trained"


class PackedForward:
    """Makes `student` compute packed batches; `restore` undoes that."""

    def __init__(self, student: SentenceTransformer, sample: Sequence[Tokens]) -> None:
        self._student = student
        self._transformer = student[0].auto_model
        self._usual = self._transformer.config._attn_implementation
        self._known = student[0].model_forward_params
        self._has_types = "token_type_ids" in student.tokenizer.model_input_names
        self._pad_id = int(student.tokenizer.pad_token_id or 0)
        self._is_packed = False
        self._try(sample)

    def __call__(self, tokens: Sequence[Tokens], *, pooled: bool = False) -> torch.Tensor:
        """(n, dimensions), float32, in the order of `tokens`, which are sorted by length.

        `pooled`: the input of the head instead of its output.
        """
        features = pack_tokens(tokens, 0) if self._is_packed else self._padded(tokens)
        if self._has_types:
            features["token_type_ids"] = torch.zeros_like(features["input_ids"])
        device = self._student.device
        moved = {n: v.to(device) if isinstance(v, torch.Tensor) else v for n, v in features.items()}
        modules = list(self._student)[: 2 if pooled else None]
        with self._precision():
            for module in modules:
                moved = module(moved)
        found: torch.Tensor = moved["sentence_embedding"]
        return found.float()

    def restore(self) -> None:
        self._transformer.set_attn_implementation(self._usual)
        self._student[0].model_forward_params = self._known

    def _try(self, sample: Sequence[Tokens]) -> None:
        """Pack only if that gives the vectors of the padded batch."""
        with torch.no_grad():
            wanted = self(sample)
            try:
                self._transformer.set_attn_implementation(_ATTENTION)
                if self._known is not None:
                    self._student[0].model_forward_params = self._known | set(PACKED_FEATURES)
                self._is_packed = True
                found = self(sample)
            except Exception:
                # Unusual models raise unusual errors here.
                found = -wanted
        cosines = torch.nn.functional.cosine_similarity(wanted, found)
        if not float(cosines.min()) >= _SAME:  # also false for NaN
            self._is_packed = False
            self.restore()

    def _padded(self, tokens: Sequence[Tokens]) -> dict[str, Any]:
        shape = len(tokens), max(map(len, tokens))
        ids = torch.full(shape, self._pad_id)
        mask = torch.zeros(shape, dtype=torch.long)
        for row, some in enumerate(tokens):
            ids[row, : len(some)] = torch.from_numpy(some)
            mask[row, : len(some)] = 1
        return {"input_ids": ids, "attention_mask": mask}

    def _precision(self) -> AbstractContextManager[Any]:
        device = self._student.device
        if has_bfloat16(device.type):
            return torch.autocast(device.type, torch.bfloat16)
        return nullcontext()


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """See attend_packed; on a CPU in plain matrix products.

    For short texts, torch's own attention takes a quarter of a training step there, these a tenth.
    """
    if query.device.type == "cuda":
        return attend_packed(module, query, key, value, attention_mask, **options)
    require_packable(module, attention_mask, options)
    parts, start = [], 0
    for length, count in options["equal_lengths"]:
        some = slice(start, start + length * count)
        queries, keys, values = (whole[0, :, some] for whole in (query, key, value))
        parts.append(attend_in_products(queries, keys, values, length, options["scaling"]))
        start = some.stop
    return torch.cat(parts, dim=1).transpose(0, 1)[None], None


AttentionInterface.register(_ATTENTION, attend)
