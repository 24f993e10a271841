"""All that one command line asks for, judged before anything is started."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from leafsearch.config import ConfigError, Settings
from leafsearch.config.command import settings
from leafsearch.config.text import shorten
from leafsearch.ingest.cli.index_options import Choices, one_of
from leafsearch.ingest.pipeline.extent import WHOLE, Extent, Seen, Shard
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.sources.files.corpus import NAMELESS, Corpus
from leafsearch.ingest.sources.files.formats import FORMATS
from leafsearch.ingest.sources.files.patterns import FilePatterns
from leafsearch.ingest.sources.files.records import Fields
from leafsearch.ingest.sources.mongodb.address import addresses
from leafsearch.ingest.sources.mongodb.order import MongoOrder
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.ingest.sources.readers.tables.columns import AskedTypes
from leafsearch.vectors.store import RetryBudget


@dataclass(frozen=True, kw_only=True)
class IngestRequest:
    """`wait`: seconds for the indexes to be ready, 0 for not at all. `yes`: prune in any case."""

    paths: list[str]
    fields: Fields
    format: Any
    choices: Choices
    rejects: Path
    wait: float
    max_rejects: int | None = None
    retries: RetryBudget = field(default_factory=RetryBudget)
    prune: bool = False
    yes: bool = False
    sharded: str | None = None
    dry_run: bool = False
    rebuild: bool = False
    mongodb: MongoOrder = field(default_factory=MongoOrder)
    choice: FilePatterns = field(default_factory=FilePatterns)
    source: str | None = None
    column_types: AskedTypes = field(default_factory=AskedTypes)
    explain: bool = False

    def settled(self, **options: Any) -> Settings:
        """The settings. Raises ConfigError with all that is wrong, in them and in the order."""
        problems, is_usage = list[str](), False
        try:
            chosen = self.mongodb.completed(
                settings(**self.mongodb.directed(self.paths, options)), self.paths
            )
        except ConfigError as error:
            problems, is_usage, chosen = error.problems, error.is_usage, Settings()
        usage = [*self.choices.problems(chosen), *self._usage_problems()]
        problems = [*problems, *usage, *self._path_problems()]
        if problems:
            raise ConfigError(problems, is_usage=bool(is_usage or usage))
        return chosen

    @contextmanager
    def opened(self, client: MongoClient[Any]) -> Iterator[Corpus | MongoSource]:
        """What is read; `client` is of the deployment that is written to."""
        if addresses(self.paths):
            with self.mongodb.opened(self.paths[0], self.fields, client, self.retries) as source:
                source.source = self.source or source.source
                yield source
        else:
            yield self.corpus()

    def corpus(self) -> Corpus:
        return Corpus(
            self.paths,
            self.fields,
            self.format,
            self.rejects,
            choice=self.choice,
            source=self.source,
            asked_types=self.column_types,
        )

    @property
    def shard(self) -> Shard:
        return WHOLE if self.sharded is None else Shard.parse(self.sharded)

    def extent(self, seen: Seen) -> Extent:
        return Extent(seen, self.shard, self.max_rejects)

    def _usage_problems(self) -> Iterator[str]:
        """Options that can never be meant, whatever lies on the disk."""
        yield from one_of("--format", self.format, FORMATS)
        yield from self.fields.problems()
        yield from self.column_types.problems(self.fields.always_text)
        yield from seconds_problems("--wait", self.wait)
        yield from seconds_problems("--retry-for", self.retries.seconds)
        if self.max_rejects is not None and self.max_rejects < 0:
            yield f"--max-rejects {self.max_rejects}: expected 0 or more"
        try:
            _ = self.shard
        except ValueError as error:
            yield f"--shard {shorten(str(self.sharded), 80)}: {error}"
        if self.explain and addresses(self.paths):
            yield "--explain: for files only; a MongoDB collection has its fields as they are"
        if self.mongodb.in_place:
            yield from self._impossible_in_place()
        if self.yes and not (self.rebuild or self.prune):
            yield "--yes: only --rebuild and --prune stop before documents are lost; give one"
        if self.mongodb.follow and (self.rebuild or self.dry_run):
            yield "--follow has no end; give --rebuild or --dry-run without it"
        yield from self.mongodb.problems(self.paths, self.fields, self.format)
        if addresses(self.paths):
            yield from self._impossible_of_mongodb()

    def _path_problems(self) -> Iterator[str]:
        yield from Rejects(self.rejects).problems()
        if not addresses(self.paths) and self.format in (None, *FORMATS):
            yield from self.corpus().problems()

    def _impossible_of_mongodb(self) -> Iterator[str]:
        if self.source == "":
            yield NAMELESS
        if self.column_types.given:
            yield "--column-type: for the columns of CSV, TSV and sheets only"
        if self.choice.include or self.choice.exclude:
            yield "--include, --exclude: for files only; for a collection use --filter-source"

    def _impossible_in_place(self) -> Iterator[str]:
        if self.prune:
            yield "--prune: with --in-place the documents are yours and are never deleted"
        if self.source is not None:
            yield "--source: with --in-place the documents are yours and have no source field"
        if self.choices.heading_trail:
            yield "--heading-trail: with --in-place a text is encoded as a whole"
        if self.rebuild:
            yield (
                "--rebuild: vectors in place cannot be rebuilt beside the active ones; name a "
                "second --collection without --in-place, or remove the existing vectors from the "
                "documents"
            )


def seconds_problems(option: str, seconds: float) -> Iterator[str]:
    if not (math.isfinite(seconds) and seconds >= 0):
        yield f"{option} {seconds:g}: expected seconds, 0 or more"
