"""What a pipeline on Ray is to do, as it travels to its actors."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from leafsearch.config import Settings
from leafsearch.ingest.cli.index_options import Choices
from leafsearch.ingest.sources.files.records import Fields

PLANNER_CPUS = 0.5  # of an actor each: they wait for MongoDB more than they compute
WRITER_CPUS = 0.25


@dataclass(frozen=True, kw_only=True)
class Job:
    """`source` names the corpus, as `leaf-ingest --source` does, so that `--prune` knows it.

    `settings` name the deployment and the collection. `planners`, `encoders` and `writers` are how
    many actors each stage has; `gpus` is how much of a GPU an encoder has, 0 for none, which is
    what its vectors are then computed on, else on one CPU.
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
        """Of all actors."""
        return self.planners * PLANNER_CPUS + self.encoders + self.writers * WRITER_CPUS

    def problems(self) -> Iterator[str]:
        """What can be told without a server."""
        if not self.settings.uri:
            yield "MONGODB_URI (mongodb_uri of the settings) is not set: expected mongodb://..."
        if not self.source:
            yield "source: expected a name of the corpus"
        if self.choices.in_place is not None:
            yield "in_place: not on Ray; run `leaf-ingest --in-place`"
        for name in ("planners", "encoders", "writers"):
            if (count := getattr(self, name)) < 1:
                yield f"{name} {count}: expected 1 or more"
        if not 0 <= self.gpus <= 1:
            yield f"gpus {self.gpus}: expected 0 to 1 for each encoder; take more encoders"
        yield from self.fields.problems()
