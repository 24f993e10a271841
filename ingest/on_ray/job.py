"""The job of a pipeline on Ray, as it travels to the actors."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from leafsearch.config import Settings
from leafsearch.ingest.cli.index_options import Choices
from leafsearch.ingest.sources.files.records import Fields

PLANNER_CPUS = 0.5  # each; these actors wait for MongoDB more than they compute
WRITER_CPUS = 0.25


@dataclass(frozen=True, kw_only=True)
class Job:
    """`source` names the corpus, as `leaf-ingest --source` does, so that `--prune` finds its
    documents.

    `settings` name deployment and collection. `planners`, `encoders` and `writers` are numbers
    of actors; `gpus` is an encoder's share of a GPU, 0 to compute its vectors on one CPU.
    """

    settings: Settings
    source: str
    choices: Choices = field(default_factory=Choices)
    fields: Fields = field(default_factory=Fields)
    planners: int = 1
    encoders: int = 1
    writers: int = 1
    gpus: float = 0

    @property
    def cpus(self) -> float:
        """CPUs of all actors."""
        return self.planners * PLANNER_CPUS + self.encoders + self.writers * WRITER_CPUS

    def problems(self) -> Iterator[str]:
        """Problems that show without a server."""
        if not self.settings.uri:
            yield "MONGODB_URI (mongodb_uri of the settings) is not set: expected mongodb://..."
        if not self.source:
            yield "source: expected a name for the corpus"
        if self.choices.in_place is not None:
            yield "in_place: not supported on Ray; run `leaf-ingest --in-place`"
        for name in ("planners", "encoders", "writers"):
            if (count := getattr(self, name)) < 1:
                yield f"{name} {count}: expected 1 or more"
        if not 0 <= self.gpus <= 1:
            yield f"gpus {self.gpus}: expected 0 to 1 for each encoder; use more encoders"
        yield from self.fields.problems()
