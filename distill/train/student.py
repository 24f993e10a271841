"""Builds the untrained student: a transformer, mean pooling, a head into the teacher's space.

The transformer is a small model, or some layers of the teacher. The head starts as the best linear
map (ridge regression), so that training begins with the transformer.
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer

from leafsearch.distill.errors import DistillError
from leafsearch.vectors.encoders import TransformerEncoder, find_model

_RIDGES = (1e-3, 1e-2, 1e-1, 1.0)  # of the mean square of a feature
_LEFT_OUT = 10  # one text in so many


def cut(teacher: TransformerEncoder, layers: Sequence[int]) -> SentenceTransformer:
    """A student of the teacher's embeddings and `layers`, counted from 0."""
    transformer = copy.deepcopy(teacher.model[0])
    model = transformer.auto_model
    stack = _layers(teacher.name, model)
    wrong = [number for number in layers if not 0 <= number < len(stack)]
    if wrong or not layers:
        raise DistillError(
            f"layers {', '.join(map(str, layers)) or 'none'}: {teacher.name} has layers 0 to "
            f"{len(stack) - 1}"
        )
    kept = torch.nn.ModuleList([stack[number] for number in layers])
    for number, layer in enumerate(kept):
        inside: Any
        for inside in layer.modules():
            if hasattr(inside, "layer_idx"):
                inside.layer_idx = number  # its index in the key-value cache of older transformers
    _replace(model, stack, kept)
    model.config.num_hidden_layers = len(kept)
    if kinds := getattr(model.config, "layer_types", None):
        model.config.layer_types = [kinds[number] for number in layers]
    student = _headed(transformer, teacher)
    if student[2].linear.weight.shape[0] == student[2].linear.weight.shape[1]:
        torch.nn.init.eye_(
            student[2].linear.weight
        )  # the remaining layers are in the teacher's space
    return student


def wrap(name: str, teacher: TransformerEncoder) -> SentenceTransformer:
    """A student of the transformer of any sentence-transformers model, BERT or alike."""
    source = find_model(name)
    model = SentenceTransformer(
        source.location,
        revision=source.revision if source.on_hub else None,
        local_files_only=not source.on_hub,
        device="cpu",
        model_kwargs={"dtype": torch.float32},
    )
    if not isinstance(model[0], Transformer):
        raise DistillError(f"student {name}: expected a model that begins with a transformer")
    return _headed(model[0], teacher)


def spread(count: int, of: int) -> list[int]:
    """`count` layers spread over `of`; the first and the last among them if there are two."""
    return [round(number * (of - 1) / max(1, count - 1)) for number in range(count)]


def layer_count(teacher: TransformerEncoder) -> int:
    return len(_layers(teacher.name, teacher.model[0].auto_model))


def fit_head(student: SentenceTransformer, pooled: NDArray[Any], wanted: NDArray[Any]) -> None:
    """`pooled` (n, hidden) of the student, `wanted` (n, dimensions) of the teacher.

    Takes the ridge strength that does best on texts left out.
    """
    features, targets = pooled.astype(np.float64), wanted.astype(np.float64)
    prior = student[2].linear.weight.detach().cpu().numpy().T.astype(np.float64)
    out = np.arange(len(features)) % _LEFT_OUT == 0

    def missed(ridge: float) -> float:
        weights = _ridge(features[~out], targets[~out], prior, ridge)
        return float(np.square(features[out] @ weights - targets[out]).sum())

    weights = _ridge(features, targets, prior, min(_RIDGES, key=missed))
    with torch.no_grad():
        student[2].linear.weight.copy_(torch.from_numpy(weights.T.astype(np.float32)))


def _ridge(
    features: NDArray[np.float64],
    targets: NDArray[np.float64],
    prior: NDArray[np.float64],
    ridge: float,
) -> NDArray[np.float64]:
    """The linear map near both to the targets and to `prior`."""
    gram = features.T @ features
    strength = ridge * np.trace(gram) / len(gram)
    gram[np.diag_indices_from(gram)] += strength
    return np.linalg.solve(gram, features.T @ targets + strength * prior)


def _headed(transformer: Any, teacher: TransformerEncoder) -> SentenceTransformer:
    width = transformer.get_embedding_dimension()
    head = Dense(width, teacher.dimensions, bias=False, activation_function=torch.nn.Identity())
    torch.nn.init.zeros_(head.linear.weight)
    student = SentenceTransformer(
        modules=[transformer, Pooling(width, pooling_mode="mean"), head],
        prompts=dict(teacher.model.prompts or {}),
        device=str(teacher.model.device),
    )
    positions = getattr(transformer.auto_model.config, "max_position_embeddings", None)
    limits = teacher.max_tokens, transformer.max_seq_length, positions
    student.max_seq_length = min(limit for limit in limits if limit)
    return student.float()


def _layers(name: str, model: Any) -> torch.nn.ModuleList:
    count = getattr(model.config, "num_hidden_layers", None)
    for module in model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return module
    raise DistillError(f"{name}: its layers cannot be found; give a small model with --student")


def _replace(model: Any, old: torch.nn.ModuleList, new: torch.nn.ModuleList) -> None:
    for module in model.modules():
        for name, child in module.named_children():
            if child is old:
                setattr(module, name, new)
                return
