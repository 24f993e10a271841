"""All that one command line asks for, judged before anything is started."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config import ConfigError, Settings
from config.command import settings
from ingest.choices import Choices, one_of
from ingest.records import Fields
from ingest.rejects import Rejects
from ingest.shard import WHOLE, Shard
from ingest.sources import FORMATS, Corpus


@dataclass(frozen=True, kw_only=True)
class Order:
    """`wait`: seconds for the indexes to be ready, 0 for not at all. `yes`: prune in any case."""

    paths: list[str]
    fields: Fields
    format: Any
    choices: Choices
    rejects: Path
    wait: float
    max_rejects: int | None = None
    prune: bool = False
    yes: bool = False
    sharded: str | None = None
    dry_run: bool = False
    rebuild: bool = False

    def settled(self, **options: Any) -> Settings:
        """The settings. Raises ConfigError with all that is wrong, in them and in the order."""
        problems: list[str] = []
        try:
            chosen = settings(**options)
        except ConfigError as error:
            problems, chosen = error.problems, Settings()
        problems = [*problems, *self.choices.problems(chosen), *self._problems()]
        if problems:
            raise ConfigError(problems)
        return chosen

    def corpus(self) -> Corpus:
        return Corpus(self.paths, self.fields, self.format, self.rejects)

    @property
    def shard(self) -> Shard:
        return Shard.parse(self.sharded) if self.sharded else WHOLE

    def _problems(self) -> Iterator[str]:
        yield from one_of("--format", self.format, FORMATS)
        yield from self.fields.problems()
        if not (math.isfinite(self.wait) and self.wait >= 0):
            yield f"--wait {self.wait:g}: expected seconds, 0 or more"
        if self.max_rejects is not None and self.max_rejects < 0:
            yield f"--max-rejects {self.max_rejects}: expected 0 or more"
        try:
            _ = self.shard
        except ValueError as error:
            yield f"--shard {self.sharded}: {error}"
        yield from Rejects(self.rejects).problems()
        if self.format in (None, *FORMATS):
            yield from self.corpus().problems()
