"""The training loop: loss, batches, steps, checkpoints.

A step depends on the seed and its number alone, so that a killed run resumes from its last
checkpoint as if nothing had happened.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from torch.nn.functional import normalize, softplus

from leafsearch.distill.train.forward import PackedForward
from leafsearch.distill.train.recipe import Recipe
from leafsearch.vectors.encoders import Tokens

CHECKPOINT = "checkpoint.pt"
_POOL = 64  # batches sorted by length together
_REPORT_SECONDS = 5.0
_MEMORY = 0.98  # of the running means in reports
_MOST_GRADIENT = 1.0  # norm of all gradients together


def read_step(folder: Path) -> int:
    """The step after which a killed run resumes; 0 without a checkpoint."""
    file = folder / CHECKPOINT
    if not file.is_file():
        return 0
    return int(torch.load(file, map_location="cpu", mmap=True, weights_only=True)["step"])


@dataclass(frozen=True)
class TrainingStatus:
    step: int
    steps: int
    loss: float
    cosine: float
    seconds_left: float


@dataclass(frozen=True)
class Loss:
    """LEAF's squared distance (arXiv 2509.12539), with two terms of our own.

    `truncated`: dimensions at which the unit vectors are compared as well, as an index of so many
    dimensions stores them. `bits`: weight of a loss on the signs, in which each dimension counts by
    how clearly the teacher's vector lies on one side.
    """

    truncated: Sequence[int] = ()
    bits: float = 0.0

    def __call__(self, found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """(n, d) each, `wanted` of unit length; the mean over the texts."""
        loss = _distance(found, wanted)
        for dimensions in self.truncated:
            loss = loss + _distance(
                normalize(found[:, :dimensions], dim=1), normalize(wanted[:, :dimensions], dim=1)
            )
        if self.bits:
            loss = loss + self.bits * _signs(found, wanted)
        return loss


def _distance(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return (found - wanted).square().sum(dim=1).mean()


def _signs(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Logistic loss of the signs, at the scale of one coordinate of a unit vector."""
    scale = wanted.shape[1] ** 0.5
    clear = wanted.abs() / wanted.abs().sum(dim=1, keepdim=True)
    return (clear * softplus(-scale * found * wanted.sign())).sum(dim=1).mean()


@dataclass
class Training:
    """`tokens` of each text for the student, `wanted` (n, d) by its teacher, same order."""

    student: SentenceTransformer
    tokens: Sequence[Tokens]
    wanted: NDArray[np.float16]
    recipe: Recipe
    folder: Path
    on_step: Callable[[TrainingStatus], None]
    checkpoint_seconds: float = 60.0
    rank: int = 0
    ranks: int = 1
    average: Callable[[Sequence[torch.nn.Parameter]], None] = field(default=lambda _: None)

    def run(self) -> None:
        recipe = self.recipe
        per_epoch = len(self.tokens) // recipe.rows
        per_cycle = per_epoch * recipe.epochs
        steps = per_cycle * recipe.cycles
        trained = _trained(self.student, recipe)
        optimizer = torch.optim.AdamW(
            trained, lr=recipe.peak, weight_decay=recipe.decay, fused=True
        )
        first = self._resumed(optimizer)
        on_step = self.on_step if self.rank == 0 else _ignore
        clock, saving = _Clock(first, steps, on_step), _Timer(self.checkpoint_seconds)
        forward = PackedForward(
            self.student.eval(), self._sample()
        )  # no dropout, the teacher has none
        for step, some in self._batches(first, per_epoch, steps):
            optimizer.param_groups[0]["lr"] = recipe.rate(step, per_cycle)
            found, wanted, loss = self._step(forward, some)
            self.average(trained)
            torch.nn.utils.clip_grad_norm_(trained, _MOST_GRADIENT)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            clock.tick(step, loss, found, wanted)
            if self.rank == 0 and (saving.is_due() or step + 1 == steps):
                self._save(optimizer, step + 1)
        forward.restore()

    def _step(
        self, forward: PackedForward, some: NDArray[np.int64]
    ) -> tuple[torch.Tensor, torch.Tensor, float]:
        """The student's vectors, the wanted ones, and the loss; computes the gradients."""
        recipe = self.recipe
        found = forward([self.tokens[i] for i in some])
        wanted = torch.from_numpy(np.asarray(self.wanted[some], dtype=np.float32))
        wanted = wanted.to(found.device)
        loss = Loss(recipe.truncated, recipe.bits)(found, wanted)
        # A rank with more texts weighs more, so that all ranks together are one batch.
        torch.autograd.backward(loss * (len(some) * self.ranks / recipe.rows))
        return found.detach(), wanted, float(loss.detach())

    def _sample(self) -> list[Tokens]:
        return sorted(self.tokens[:8], key=len, reverse=True)

    def _batches(
        self, first: int, per_epoch: int, steps: int
    ) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """This rank's part of each batch, longest text first, from step `first` on."""
        for epoch in range(first // per_epoch, -(-steps // per_epoch)):
            batches = self._epoch(epoch, per_epoch)
            for step in range(max(first, epoch * per_epoch), min(steps, (epoch + 1) * per_epoch)):
                yield step, batches[step - epoch * per_epoch][self.rank :: self.ranks]

    def _epoch(self, epoch: int, count: int) -> list[NDArray[np.int64]]:
        """Batches of exactly `rows` texts, so that each rank gets some; the rest is skipped."""
        chance = np.random.default_rng((self.recipe.seed, epoch))
        rows = self.recipe.rows
        order = chance.permutation(len(self.tokens))[: count * rows]
        lengths = np.array([len(one) for one in self.tokens])
        batches = []
        for start in range(0, len(order), rows * _POOL):
            pool = order[start : start + rows * _POOL]
            pool = pool[np.argsort(-lengths[pool], kind="stable")]
            batches += [pool[at : at + rows] for at in range(0, len(pool), rows)]
        return [batches[i] for i in chance.permutation(len(batches))]

    def _resumed(self, optimizer: Any) -> int:
        file = self.folder / CHECKPOINT
        if not file.is_file():
            return 0
        kept = torch.load(file, map_location=self.student.device, weights_only=True)
        self.student.load_state_dict(kept["student"])
        optimizer.load_state_dict(kept["optimizer"])
        return int(kept["step"])

    def _save(self, optimizer: Any, step: int) -> None:
        """Save atomically, so that a kill leaves the previous checkpoint."""
        part = self.folder / f"{CHECKPOINT}.part"
        kept = {
            "student": self.student.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": step,
        }
        torch.save(kept, part)
        os.replace(part, self.folder / CHECKPOINT)


def _trained(student: SentenceTransformer, recipe: Recipe) -> list[torch.nn.Parameter]:
    transformer = student[0].auto_model
    transformer.get_input_embeddings().weight.requires_grad = recipe.trains_embeddings
    return [one for one in student.parameters() if one.requires_grad]


def _ignore(_: TrainingStatus) -> None:
    """Only rank 0 reports."""


class _Timer:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = time.monotonic()

    def is_due(self) -> bool:
        if time.monotonic() - self._last < self._seconds:
            return False
        self._last = time.monotonic()
        return True


@dataclass
class _Clock:
    """Running means over the steps, reported every few seconds."""

    first: int
    steps: int
    on_step: Callable[[TrainingStatus], None]
    started: float = field(default_factory=time.monotonic)
    last: float = 0.0
    loss: float = 0.0
    cosine: float = 0.0
    weight: float = 0.0

    def tick(self, step: int, loss: float, found: torch.Tensor, wanted: torch.Tensor) -> None:
        now = time.monotonic()
        cosine = torch.nn.functional.cosine_similarity(found, wanted).mean()
        self.loss = _MEMORY * self.loss + (1 - _MEMORY) * loss
        self.cosine = _MEMORY * self.cosine + (1 - _MEMORY) * float(cosine)
        self.weight = _MEMORY * self.weight + (1 - _MEMORY)
        if now - self.last < _REPORT_SECONDS and step + 1 < self.steps:
            return
        self.last = now
        done = step + 1 - self.first
        left = (now - self.started) / done * (self.steps - step - 1)
        loss_, cosine_ = self.loss / self.weight, self.cosine / self.weight
        self.on_step(TrainingStatus(step + 1, self.steps, loss_, cosine_, left))
