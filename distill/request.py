"""What `leaf-distill` is asked for, what it reports meanwhile, and what it returns.

Imports no torch, which a wrong command line need not wait for.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from leafsearch.distill.data.read import Texts
from leafsearch.distill.static.recipe import StaticRecipe
from leafsearch.distill.train.recipe import Recipe
from leafsearch.ingest import Rejected

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from leafsearch.distill.static.student import StaticStudent
    from leafsearch.distill.train.loop import TrainingStatus
    from leafsearch.vectors.encoders import TransformerEncoder

# The files of a work folder, which is removed as a whole.
_WORK = {"run.json", "lock", "targets.npy", "targets.json", "checkpoint.pt", "trial"}
_WORK |= {"tokens.npz", "recipe.json", "ranks", "untrained"}  # for several devices


@dataclass(frozen=True)
class DistillRequest:
    """The student begins as the small model `student`, or as `layers` of the teacher (by default
    half of them); with a recipe `static` it is a table.

    `work`: the folder from which a killed run resumes. `devices` as torch names them.
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
    static: StaticRecipe | None = None

    def problems(self) -> Iterator[str]:
        yield from self.texts.problems()
        yield from (self.static or self.recipe).problems()
        if self.static and len(self.devices) > 1:
            yield "--devices: expected one device for a static student"
        if self.student and self.layers:
            yield "give either --student or --layers"
        if len(set(self.layers)) < len(self.layers):
            yield f"--layers {','.join(map(str, self.layers))}: expected each once"
        if len(self.devices) > self.recipe.rows:
            yield f"--devices: {len(self.devices)} devices for batches of {self.recipe.rows} texts"
        if not all(self.devices):
            yield "--devices: expected names separated by commas, e.g. cuda:0,cuda:1"
        if not self.checkpoint_seconds >= 0:
            yield f"--checkpoint-seconds: expected 0 or more, not {self.checkpoint_seconds:g}"
        yield from self._folder_problems()

    def _folder_problems(self) -> Iterator[str]:
        if self.out.resolve() == Path.cwd():
            yield f"--out {self.out}: is the current folder; expected a new one"
        elif self.out.exists() and not (self.out.is_dir() and not any(self.out.iterdir())):
            yield f"--out {self.out}: exists already; expected a new folder"
        if self.work.resolve().is_relative_to(self.out.resolve()):
            yield f"--work {self.work}: expected a folder outside --out"
        if self.work.exists() and not self.work.is_dir():
            yield f"--work {self.work}: is a file; expected a folder"
        elif other := self._other_files():
            yield (
                f"--work {self.work}: holds {other[0]}, which leaf-distill did not write; expected "
                "a folder that may be removed"
            )

    def _other_files(self) -> list[str]:
        if not self.work.is_dir():
            return []
        names = sorted(entry.name for entry in self.work.iterdir())
        return [name for name in names if name.removesuffix(".part") not in _WORK]


@dataclass(frozen=True)
class Listener:
    """Callbacks that report progress to a person."""

    on_status: Callable[[str], None]
    on_encoded: Callable[[int, int], None]  # texts of the teacher: done, of
    on_step: Callable[["TrainingStatus"], None]
    on_rejected: Callable[[Rejected], None]


@dataclass(frozen=True)
class Distilled:
    """`cosine` is the mean to the teacher over held-out texts.

    `layers` are those of the teacher that the student began with, empty if it began with a model of
    its own; `resumed` is the step from which a killed run was resumed, or 0.
    """

    student: "SentenceTransformer | StaticStudent"
    teacher: "TransformerEncoder"
    layers: Sequence[int]
    examples: int
    held_out: int
    cosine: float
    cosine_before: float
    resumed: int
