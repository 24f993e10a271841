"""All that one command line asks for, judged before anything is started."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from config import ConfigError, Settings
from config.command import settings
from ingest.choices import Choices, one_of
from ingest.mongodb_address import addresses
from ingest.mongodb_order import MongoOrder
from ingest.mongodb_source import MongoSource
from ingest.records import Fields
from ingest.rejects import Rejects
from ingest.sources import FORMATS, Corpus


@dataclass(frozen=True, kw_only=True)
class Order:
    """`wait`: seconds for the indexes to be ready, 0 for not at all."""

    paths: list[str]
    fields: Fields
    format: Any
    choices: Choices
    rejects: Path
    wait: float
    mongodb: MongoOrder = field(default_factory=MongoOrder)

    def settled(self, **options: Any) -> Settings:
        """The settings. Raises ConfigError with all that is wrong, in them and in the order."""
        problems: list[str] = []
        try:
            chosen = self.mongodb.completed(
                settings(**self.mongodb.directed(self.paths, options)), self.paths
            )
        except ConfigError as error:
            problems, chosen = error.problems, Settings()
        problems = [*problems, *self.choices.problems(chosen), *self._problems()]
        if problems:
            raise ConfigError(problems)
        return chosen

    @contextmanager
    def opened(self, client: MongoClient[Any]) -> Iterator[Corpus | MongoSource]:
        """What is read; `client` is of the deployment that is written to."""
        if addresses(self.paths):
            with self.mongodb.opened(self.paths[0], self.fields, client) as source:
                yield source
        else:
            yield self.corpus()

    def corpus(self) -> Corpus:
        return Corpus(self.paths, self.fields, self.format, self.rejects)

    def _problems(self) -> Iterator[str]:
        yield from one_of("--format", self.format, FORMATS)
        yield from self.fields.problems()
        if not (math.isfinite(self.wait) and self.wait >= 0):
            yield f"--wait {self.wait:g}: expected seconds, 0 or more"
        yield from Rejects(self.rejects).problems()
        yield from self.mongodb.problems(self.paths, self.fields, self.format)
        if self.format in (None, *FORMATS) and not addresses(self.paths):
            yield from self.corpus().problems()
