"""The settings of a training, and the learning rate of each step."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

_WARM_UP = 200  # steps
_SEEDS = 2**63  # torch takes no larger ones


@dataclass(frozen=True)
class Recipe:
    """LEAF's recipe: cycles of epochs, in each of which the learning rate falls linearly.

    (arXiv 2509.12539: three cycles of ten epochs from 1e-4 to 1e-5, batches of 32.) `rows` are the
    texts of a step. Token embeddings are trained only with `trains_embeddings`.
    """

    cycles: int = 3
    epochs: int = 10
    rows: int = 32
    peak: float = 1e-4
    floor: float = 1e-5
    decay: float = 0.01
    seed: int = 1
    most_tokens: int = 128
    truncated: tuple[int, ...] = ()
    bits: float = 0.0
    trains_embeddings: bool = False

    def problems(self) -> Iterator[str]:
        counts = {"cycles": self.cycles, "epochs": self.epochs, "batch": self.rows}
        for name, count in counts.items():
            if count < 1:
                yield f"--{name}: expected 1 or more, not {count}"
        if not self.floor <= self.peak < inf:
            yield f"--learning-rate: expected {self.floor:g} or more, not {self.peak:g}"
        if wrong := [count for count in self.truncated if count < 1]:
            yield f"--truncated: expected numbers of dimensions, not {wrong[0]}"
        if not 0 <= self.bits < inf:
            yield f"--bits: expected 0 or more, not {self.bits:g}"
        if not 0 <= self.seed < _SEEDS:
            yield f"--seed: expected 0 to {_SEEDS - 1}, not {self.seed}"

    def rate(self, step: int, steps_of_cycle: int) -> float:
        within = step % steps_of_cycle / steps_of_cycle
        rate = self.peak + (self.floor - self.peak) * within
        return rate * min(1.0, (step + 1) / _WARM_UP)
