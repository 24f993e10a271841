"""The layouts in which a sentence-transformers model can take a batch of documents.

Each runs the model's own modules, so prompt, pooling and dense layers stay the model's.
"""

import copy
from itertools import chain
from typing import Any, Protocol

import torch
from sentence_transformers import SentenceTransformer

from leafsearch.vectors.encoders.batches import TokenBatch
from leafsearch.vectors.encoders.torch.fused_layers import fuse
from leafsearch.vectors.encoders.torch.packed_attention import (
    ATTENTION,
    PACKED_FEATURES,
    attend_packed,
    pack_tokens,
)


class BatchLayout(Protocol):
    @property
    def device(self) -> torch.device: ...

    @property
    def dtype(self) -> torch.dtype: ...

    def __call__(self, batch: TokenBatch) -> torch.Tensor:
        """(n, dimensions) on the device, perhaps still being computed."""


class Packed:
    """Texts side by side, see packed_attention; for models whose attention can be replaced."""

    def __init__(self, model: SentenceTransformer, prompt: str, dtype: torch.dtype) -> None:
        self.device: torch.device = model.device
        self.dtype = dtype
        self._model = _twin(model, dtype)
        self._common = _common(model, prompt)
        transformer = self._model[0]
        transformer.model.set_attn_implementation(ATTENTION)
        if transformer.model_forward_params is not None:
            transformer.model_forward_params |= set(PACKED_FEATURES)
        self._first_position = _first_position(transformer.model)
        self._has_types = _has_types(model)

    def __call__(self, batch: TokenBatch) -> torch.Tensor:
        features = pack_tokens(batch.tokens, self._first_position)
        return _computed(self._model, {**features, **self._common}, self._has_types)


class Fused(Packed):
    """Packed, in fewer and larger steps on a GPU, see fused_layers; for layers of BERT's shape."""

    def __init__(self, model: SentenceTransformer, prompt: str, dtype: torch.dtype) -> None:
        super().__init__(model, prompt, dtype)
        fuse(self._model[0].model, attend_packed)


class Padded:
    """Each text padded to the length of the longest."""

    def __init__(self, model: SentenceTransformer, prompt: str, dtype: torch.dtype) -> None:
        self.device: torch.device = model.device
        self.dtype = dtype
        self._model = _twin(model, dtype)
        self._common = _common(model, prompt)
        self._pad_id = int(model.tokenizer.pad_token_id or 0)
        self._on_the_left = model.tokenizer.padding_side == "left"
        self._has_types = _has_types(model)

    def __call__(self, batch: TokenBatch) -> torch.Tensor:
        shape = len(batch.tokens), max(map(len, batch.tokens))
        ids = torch.full(shape, self._pad_id)
        mask = torch.zeros(shape, dtype=torch.long)
        for row, tokens in enumerate(batch.tokens):
            count = len(tokens)
            some = slice(shape[1] - count, None) if self._on_the_left else slice(count)
            ids[row, some] = torch.from_numpy(tokens)
            mask[row, some] = 1
        features = {"input_ids": ids, "attention_mask": mask, **self._common}
        return _computed(self._model, features, self._has_types)


class Plain:
    """sentence-transformers' own encode, for models that fit no other layout."""

    def __init__(self, model: SentenceTransformer, prompt: str, dtype: torch.dtype) -> None:
        self.device: torch.device = model.device
        self.dtype = dtype
        self._model = model if dtype == model.dtype else _twin(model, dtype)
        self._prompt = prompt

    def __call__(self, batch: TokenBatch) -> torch.Tensor:
        found: torch.Tensor = self._model.encode(
            list(batch.texts),
            prompt=self._prompt,
            batch_size=len(batch.texts),
            show_progress_bar=False,
            convert_to_tensor=True,
        )
        return found


def _computed(model: Any, features: dict[str, Any], has_types: bool) -> torch.Tensor:
    if has_types:
        features["token_type_ids"] = torch.zeros_like(features["input_ids"])
    with torch.inference_mode():
        found: torch.Tensor = model(_moved(features, model.device))["sentence_embedding"]
        return found.float()


def _moved(features: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """Copy to a GPU without waiting, which only pinned memory allows."""
    if device.type != "cuda":
        return features
    return {
        name: value.pin_memory().to(device, non_blocking=True)
        if isinstance(value, torch.Tensor)
        else value
        for name, value in features.items()
    }


def _twin(model: SentenceTransformer, dtype: torch.dtype) -> Any:
    """A copy whose settings can differ; weights of the same type are shared."""
    if dtype != model.dtype:
        return copy.deepcopy(model).to(dtype)
    shared = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    return copy.deepcopy(model, shared)


def _common(model: SentenceTransformer, prompt: str) -> dict[str, Any]:
    """The number of prompt tokens, which some models exclude from their mean."""
    if not prompt:
        return {}
    features = model[0].preprocess(["text"], prompt=prompt)
    return {"prompt_length": features["prompt_length"]} if "prompt_length" in features else {}


def _has_types(model: SentenceTransformer) -> bool:
    return "token_type_ids" in model.tokenizer.model_input_names


def _first_position(transformer: Any) -> int:
    """The number of the first position: 0, but one past the padding in RoBERTa and its kin."""
    for module in transformer.modules():
        padding = getattr(module, "padding_idx", None)
        table = getattr(module, "position_embeddings", None)
        if isinstance(padding, int) and isinstance(table, torch.nn.Embedding):
            return padding + 1
    return 0
