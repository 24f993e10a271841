"""The stages of a distillation: texts, the teacher's vectors, a student, its training."""

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from leafsearch.distill.data.examples import Example, held_out
from leafsearch.distill.data.targets import targets
from leafsearch.distill.data.tokenised import Inputs, computed
from leafsearch.distill.errors import DistillError
from leafsearch.distill.order import Order
from leafsearch.distill.publish.publish import demand_publishable
from leafsearch.distill.train.distributed import train
from leafsearch.distill.train.forward import Forward
from leafsearch.distill.train.loop import State, reached
from leafsearch.distill.train.student import cut, fit_head, layer_count, small, spread
from leafsearch.distill.train.work_dir import demand_same, held, remember
from leafsearch.ingest.document import Rejected
from leafsearch.vectors import load_encoder
from leafsearch.vectors.encoders import Tokens, TransformerEncoder, is_remote

_DEVICE = re.compile(r"cpu|cuda(:\d+)?")
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
    """`cosine` is the mean to the teacher over texts that were held out.

    `layers` are those of the teacher that it began with, none if with a model of its own; `resumed`
    is the step that a killed run had reached, 0 if none was.
    """

    student: SentenceTransformer
    teacher: TransformerEncoder
    layers: Sequence[int]
    examples: int
    held_out: int
    cosine: float
    cosine_before: float
    resumed: int


@dataclass(frozen=True)
class Material:
    """`kept` are indices of the texts to train on, `out` of those to measure with."""

    tokens: Sequence[Tokens]
    wanted: NDArray[np.float16]
    kept: Sequence[int]
    out: Sequence[int]

    def of(self, some: Sequence[int]) -> tuple[list[Tokens], NDArray[np.float16]]:
        return [self.tokens[i] for i in some], self.wanted[list(some)]


def distil(order: Order, listener: Listener) -> Distilled:
    """Raises DistillError, ModelError and SourceError."""
    demand_same(order)
    demand_devices(order.devices)
    teacher = load_teacher(order.teacher, order.devices)
    layers = _layers(order, teacher)
    student = untrained(order, layers, teacher)
    # Only what can be done, so that another command may mend what cannot.
    with held(order.work):
        demand_publishable(student, order.work)
        remember(order)
        return _distilled(order, listener, teacher, student, layers)


def _distilled(
    order: Order,
    listener: Listener,
    teacher: TransformerEncoder,
    student: SentenceTransformer,
    layers: Sequence[int],
) -> Distilled:
    examples = order.texts.read(listener.rejected)
    listener.said(f"{len(examples):,} texts to learn from")
    material = _material(student, teacher, examples, order, listener)
    before = _prepared(student, material)
    tokens, rows = material.of(material.kept)
    resumed = reached(order.work)
    if resumed:
        listener.said(f"the training goes on after step {resumed:,}")
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
    counts = len(examples), len(material.out)
    return Distilled(student, teacher, layers, *counts, after, before, resumed)


def devices(order: Order) -> Sequence[str]:
    """All GPUs; one process on a CPU, whose cores torch uses by itself."""
    return order.devices or [f"cuda:{n}" for n in range(torch.cuda.device_count())] or ["cpu"]


def demand_devices(names: Sequence[str]) -> None:
    """Raises DistillError unless they are here."""
    if wrong := [name for name in names if not _DEVICE.fullmatch(name)]:
        raise DistillError(f"--devices {wrong[0]}: expected cpu, cuda:0 or the like")
    gpus = [name for name in names if name != "cpu"]
    if gpus and len(set(gpus)) < len(names):
        raise DistillError(f"--devices {','.join(names)}: expected CPUs, or each GPU once")
    count = torch.cuda.device_count()
    if missing := [name for name in gpus if int(name.partition(":")[2] or 0) >= count]:
        raise DistillError(f"--devices {missing[0]}: {count} GPUs are here")


def load_teacher(name: str, devices: Sequence[str]) -> TransformerEncoder:
    teacher = None if is_remote(name) else load_encoder(name, devices=devices or None)
    if not isinstance(teacher, TransformerEncoder):
        raise DistillError(
            f"teacher {name}: expected a model that sentence-transformers loads, from a hub, a "
            "folder or a package"
        )
    return teacher


def untrained(
    order: Order, layers: Sequence[int], teacher: TransformerEncoder
) -> SentenceTransformer:
    """Raises DistillError if it cannot be had, or not be trained as was asked."""
    if (most := max(order.recipe.truncated, default=0)) > teacher.dimensions:
        raise DistillError(
            f"truncated to {most} dimensions: teacher {teacher.name} gives {teacher.dimensions}"
        )
    torch.manual_seed(order.recipe.seed)
    return small(order.student, teacher) if order.student else cut(teacher, layers)


def _layers(order: Order, teacher: TransformerEncoder) -> Sequence[int]:
    if order.student:
        return ()
    count = layer_count(teacher)
    return order.layers or spread(max(1, count // 2), count)


def _material(
    student: SentenceTransformer,
    teacher: TransformerEncoder,
    examples: Sequence[Example],
    order: Order,
    listener: Listener,
) -> Material:
    inputs = Inputs(student, teacher, order.recipe.most_tokens)
    examples, shortened = inputs.fitting(examples)
    if shortened:
        listener.said(f"{shortened:,} texts are cut after {inputs.most} tokens")
    kept, out = held_out(examples)
    if len(kept) < order.recipe.rows or not out:
        raise DistillError(
            f"{len(examples)} texts are too few to learn from; expected some hundred at least"
        )
    with closing(teacher):  # the processes that it may have started, not the model of this one
        wanted = targets(teacher, examples, order.work, listener.encoded)
    return Material(inputs.tokens(examples), wanted, kept, out)


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
