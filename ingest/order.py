"""All that one command line asks for, judged before anything is started."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config import ConfigError, Settings
from config.command import settings
from ingest.choice import Choice
from ingest.choices import Choices, one_of
from ingest.formats import FORMATS
from ingest.records import Fields
from ingest.rejects import Rejects
from ingest.sources import Corpus


@dataclass(frozen=True, kw_only=True)
class Order:
    """`wait`: seconds for the indexes to be ready, 0 for not at all."""

    paths: list[str]
    fields: Fields
    format: Any
    choices: Choices
    rejects: Path
    wait: float
    choice: Choice = field(default_factory=Choice)
    source: str | None = None

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
        return Corpus(
            self.paths,
            self.fields,
            self.format,
            self.rejects,
            choice=self.choice,
            source=self.source,
        )

    def _problems(self) -> Iterator[str]:
        yield from one_of("--format", self.format, FORMATS)
        yield from self.fields.problems()
        if not (math.isfinite(self.wait) and self.wait >= 0):
            yield f"--wait {self.wait:g}: expected seconds, 0 or more"
        yield from Rejects(self.rejects).problems()
        if self.format in (None, *FORMATS):
            yield from self.corpus().problems()
