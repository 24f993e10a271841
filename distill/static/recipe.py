"""The settings of a static student's training; imports no torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

_MOST_VOCABULARY = 100_000
_SEEDS = 2**63  # torch takes no larger ones


@dataclass(frozen=True)
class StaticRecipe:
    """`rows` are the texts of a step, as in Recipe.

    The learning rate falls linearly from `peak` to nothing. `pull` weighs the squared distance of
    rows from where they began. The tokenizer grows to `vocabulary` entries by words of the texts;
    0 leaves it as it is.
    """

    epochs: int = 6
    rows: int = 1_024
    peak: float = 4e-3
    pull: float = 1e-3
    seed: int = 1
    vocabulary: int = 0
    bits: int = 8

    def problems(self) -> Iterator[str]:
        for name, count in (("epochs", self.epochs), ("batch", self.rows)):
            if count < 1:
                yield f"--{name}: expected 1 or more, not {count}"
        if not 0 < self.peak < inf:
            yield f"--learning-rate: expected more than 0, not {self.peak:g}"
        if not 0 <= self.pull < inf:
            yield f"--pull: expected 0 or more, not {self.pull:g}"
        if not 0 <= self.seed < _SEEDS:
            yield f"--seed: expected 0 to {_SEEDS - 1}, not {self.seed}"
        if not 0 <= self.vocabulary <= _MOST_VOCABULARY:
            yield f"--vocabulary: expected at most {_MOST_VOCABULARY:,}, not {self.vocabulary:,}"
