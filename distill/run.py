"""The stages of a distillation: texts, the teacher's vectors, a student, its training."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from distill.errors import DistillError
from distill.examples import Example, held_out
from distill.forward import Forward
from distill.inputs import computed, tokenized
from distill.order import Order
from distill.ranks import train
from distill.student import cut, fit_head, layer_count, small, spread
from distill.targets import targets
from distill.training import State
from ingest.document import Rejected
from vectors import load_encoder
from vectors.batches import Tokens
from vectors.encoder import demand_torch
from vectors.transformer import TransformerEncoder

_SETTINGS = "run.json"
_FITTED = 8_000  # texts that the head is fitted to before the training


@dataclass(frozen=True)
class Listener:
    """Told what happens, for a person."""

    said: Callable[[str], None]
    encoded: Callable[[int, int], None]  # texts of the teacher: done, of
    trained: Callable[[State], None]
    rejected: Callable[[Rejected], None]


@dataclass(frozen=True)
class Distilled:
    """`cosine` is the mean to the teacher over texts that were held out."""

    student: SentenceTransformer
    teacher: TransformerEncoder
    examples: int
    held_out: int
    cosine: float
    cosine_before: float


@dataclass(frozen=True)
class Material:
    """What the training needs, the same in every process that takes part."""

    tokens: Sequence[Tokens]
    wanted: NDArray[np.float16]
    kept: Sequence[int]
    out: Sequence[int]

    def of(self, some: Sequence[int]) -> tuple[list[Tokens], NDArray[np.float16]]:
        return [self.tokens[i] for i in some], self.wanted[list(some)]


def distil(order: Order, listener: Listener) -> Distilled:
    """Raises DistillError, ModelError and SourceError."""
    demand_torch(order.teacher)
    _demand_same(order)
    teacher = load_teacher(order.teacher, order.devices)
    examples = order.texts.read(listener.rejected)
    listener.said(f"{len(examples):,} texts to learn from")
    wanted = targets(teacher, examples, order.work, listener.encoded)
    torch.manual_seed(order.recipe.seed)
    student = untrained(order, teacher)
    material = _material(student, teacher, examples, wanted, order)
    before = _prepared(student, material)
    tokens, rows = material.of(material.kept)
    train(
        student,
        tokens,
        rows,
        order.recipe,
        order.work,
        devices(order),
        listener.trained,
        order.checkpoint_seconds,
    )
    after = _cosine(student, material)
    return Distilled(student, teacher, len(examples), len(material.out), after, before)


def devices(order: Order) -> Sequence[str]:
    """All GPUs; one process on a CPU, whose cores torch uses by itself."""
    return order.devices or [f"cuda:{n}" for n in range(torch.cuda.device_count())] or ["cpu"]


def load_teacher(name: str, devices: Sequence[str]) -> TransformerEncoder:
    teacher = load_encoder(name, devices=devices or None)
    if not isinstance(teacher, TransformerEncoder):
        raise DistillError(
            f"teacher {name}: expected a model that sentence-transformers loads, from a hub, a "
            "folder or a package"
        )
    return teacher


def untrained(order: Order, teacher: TransformerEncoder) -> SentenceTransformer:
    if order.student:
        return small(order.student, teacher)
    count = layer_count(teacher)
    return cut(teacher, order.layers or spread(max(1, count // 2), count))


def _material(
    student: SentenceTransformer,
    teacher: TransformerEncoder,
    examples: Sequence[Example],
    wanted: NDArray[np.float16],
    order: Order,
) -> Material:
    tokens = tokenized(student, teacher, examples, order.recipe.most_tokens)
    kept, out = held_out(examples)
    if len(kept) < order.recipe.rows or not out:
        raise DistillError(
            f"{len(examples)} texts are too few to learn from; expected some hundred at least"
        )
    return Material(tokens, wanted, kept, out)


def _prepared(student: SentenceTransformer, material: Material) -> float:
    """Fits the head; the cosine then."""
    tokens, rows = material.of(material.kept[:_FITTED])
    forward = _forward(student, tokens)
    fit_head(student, computed(forward, tokens, pooled=True), rows)
    forward.restore()
    return _cosine(student, material)


def _cosine(student: SentenceTransformer, material: Material) -> float:
    tokens, wanted = material.of(material.out)
    forward = _forward(student, tokens)
    found = torch.from_numpy(computed(forward, tokens))
    forward.restore()
    expected = torch.from_numpy(wanted.astype(np.float32))
    return float(torch.nn.functional.cosine_similarity(found, expected).mean())


def _forward(student: SentenceTransformer, tokens: Sequence[Tokens]) -> Forward:
    return Forward(student.eval(), sorted(tokens[:8], key=len, reverse=True))


def _demand_same(order: Order) -> None:
    """A folder of work goes on with what it began with."""
    order.work.mkdir(parents=True, exist_ok=True)
    file: Path = order.work / _SETTINGS
    told = {
        "teacher": order.teacher,
        "student": order.student,
        "layers": list(order.layers),
        "recipe": asdict(order.recipe),
    }
    asked = json.loads(json.dumps(told))
    if file.is_file() and json.loads(file.read_text()) != asked:
        raise DistillError(
            f"{order.work} holds a run with other settings; remove it, or give another --work"
        )
    file.write_text(json.dumps(asked, indent=2))
