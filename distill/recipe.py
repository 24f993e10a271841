"""How a student is trained, and which learning rate a step has."""

from collections.abc import Iterator
from dataclasses import dataclass

_WARM_UP = 200  # steps


@dataclass(frozen=True)
class Recipe:
    """LEAF's: cycles of epochs, in each of which the learning rate falls linearly.

    (arXiv 2509.12539: three cycles of ten epochs from 1e-4 to 1e-5, batches of 32.) `rows` are the
    texts of a step. Embeddings of tokens stay those the student began with unless
    `trains_embeddings`.
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
        for name in ("cycles", "epochs", "rows"):
            if getattr(self, name) < 1:
                yield f"--{name}: expected 1 or more, not {getattr(self, name)}"
        if not 0 < self.floor <= self.peak:
            yield f"learning rate {self.peak} to {self.floor}: expected it to fall, above 0"

    def rate(self, step: int, steps_of_cycle: int) -> float:
        within = step % steps_of_cycle / steps_of_cycle
        rate = self.peak + (self.floor - self.peak) * within
        return rate * min(1.0, (step + 1) / _WARM_UP)
