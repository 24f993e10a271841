"""The training loop: batches, steps, checkpoints.

A step depends on the seed and its number alone, so that a run which was killed goes on from its
last checkpoint as if nothing had happened.
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

from leafsearch.distill.train.forward import Forward
from leafsearch.distill.train.losses import Loss
from leafsearch.distill.train.recipe import Recipe
from leafsearch.vectors.encoders import Tokens

CHECKPOINT = "checkpoint.pt"
_POOL = 64  # batches that are sorted by length together
_REPORT_SECONDS = 5.0
_MEMORY = 0.98  # of the running means that are told
_STEEPEST = 1.0  # length of all gradients together


def reached(folder: Path) -> int:
    """The step that a killed run goes on after; 0 without a checkpoint."""
    file = folder / CHECKPOINT
    if not file.is_file():
        return 0
    return int(torch.load(file, map_location="cpu", mmap=True, weights_only=True)["step"])


@dataclass(frozen=True)
class State:
    step: int
    steps: int
    loss: float
    cosine: float
    seconds_left: float


@dataclass
class Training:
    """`tokens` of each text for the student, `wanted` (n, d) by its teacher, same order."""

    student: SentenceTransformer
    tokens: Sequence[Tokens]
    wanted: NDArray[np.float16]
    recipe: Recipe
    folder: Path
    told: Callable[[State], None]
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
        told = self.told if self.rank == 0 else _unheard
        clock, saving = _Clock(first, steps, told), _Timer(self.checkpoint_seconds)
        forward = Forward(self.student.eval(), self._sample())  # no dropout, the teacher has none
        for step, some in self._batches(first, per_epoch, steps):
            optimizer.param_groups[0]["lr"] = recipe.rate(step, per_cycle)
            found, wanted, loss = self._step(forward, some)
            self.average(trained)
            torch.nn.utils.clip_grad_norm_(trained, _STEEPEST)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            clock.tick(step, loss, found, wanted)
            if self.rank == 0 and (saving.is_due() or step + 1 == steps):
                self._save(optimizer, step + 1)
        forward.restore()

    def _step(
        self, forward: Forward, some: NDArray[np.int64]
    ) -> tuple[torch.Tensor, torch.Tensor, float]:
        """What was found and wanted, and the loss, whose gradients are there then."""
        recipe = self.recipe
        found = forward([self.tokens[i] for i in some])
        wanted = torch.from_numpy(np.asarray(self.wanted[some], dtype=np.float32))
        wanted = wanted.to(found.device)
        loss = Loss(recipe.truncated, recipe.bits)(found, wanted)
        # A rank with a text more weighs more, so that all together are one batch.
        torch.autograd.backward(loss * (len(some) * self.ranks / recipe.rows))
        return found.detach(), wanted, float(loss.detach())

    def _sample(self) -> list[Tokens]:
        return sorted(self.tokens[:8], key=len, reverse=True)

    def _batches(
        self, first: int, per_epoch: int, steps: int
    ) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """This rank's part of each, longest text first, from step `first` on."""
        for epoch in range(first // per_epoch, -(-steps // per_epoch)):
            batches = self._epoch(epoch, per_epoch)
            for step in range(max(first, epoch * per_epoch), min(steps, (epoch + 1) * per_epoch)):
                yield step, batches[step - epoch * per_epoch][self.rank :: self.ranks]

    def _epoch(self, epoch: int, count: int) -> list[NDArray[np.int64]]:
        """All of `rows` texts, so that every rank has some of each; the rest has its turn later."""
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
        """In one step, so that a kill leaves the one before."""
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


def _unheard(_: State) -> None:
    """Only one of several processes tells."""


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
    """Running means of what each step gave, told every few seconds."""

    first: int
    steps: int
    told: Callable[[State], None]
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
        self.told(State(step + 1, self.steps, loss_, cosine_, left))
