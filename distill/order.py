"""What `leaf-distill` was asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from distill.reading import Texts
from distill.recipe import Recipe


@dataclass(frozen=True)
class Order:
    """`student` is a small model, or `layers` are those of the teacher; half of them by default.

    `work` holds what a killed run goes on from. `devices` as torch names them.
    """

    teacher: str
    texts: Texts
    out: Path
    work: Path
    recipe: Recipe
    student: str | None = None
    layers: Sequence[int] = ()
    devices: Sequence[str] = field(default_factory=tuple)
    evaluated: Sequence[Path] = ()
    keeps_work: bool = False
    checkpoint_seconds: float = 60.0

    def problems(self) -> Iterator[str]:
        yield from self.texts.problems()
        yield from self.recipe.problems()
        if self.student and self.layers:
            yield "give either --student or --layers"
        if len(self.devices) > self.recipe.rows:
            yield f"--devices: {len(self.devices)} for batches of {self.recipe.rows} texts"
        if self.out.exists() and not (self.out.is_dir() and not any(self.out.iterdir())):
            yield f"--out {self.out}: exists already; expected a new folder"
