"""What a command line requests from a MongoDB collection as its source."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import bson
from bson.errors import BSONError
from pydantic import SecretStr
from pymongo import MongoClient

from leafsearch.config import ConfigError, Settings
from leafsearch.config.text import is_unicode, quote, shorten
from leafsearch.ingest.cli.index_options import InPlaceChoice
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.records import Fields
from leafsearch.ingest.sources.mongodb.address import Address, addresses
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.vectors.store import NotExtendedJson, RetryBudget, parse_extended_json

# Names of our own fields, or of a hit's.
_TAKEN = ("leaf", "_id", "key", "document", "position", "text", "metadata", "score")


@dataclass(frozen=True, kw_only=True)
class MongoOrder:
    """`filter` is Extended JSON; `path` is where vectors go in place."""

    in_place: bool = False
    path: str | None = None
    follow: bool = False
    filter: str | None = None

    def choice(self, fields: Fields) -> InPlaceChoice | None:
        """Leaves options at their default to the manifest."""
        if not self.in_place:
            return None
        usual = Fields()
        is_usual = fields.texts == usual.texts
        return InPlaceChoice(
            path=self.path,
            text_field=None if is_usual else fields.texts[0],
            more_text_fields=fields.texts[1:],
            title_field=fields.title if fields.title != usual.title else None,
        )

    def query(self) -> dict[str, Any]:
        """Raises SourceError."""
        if self.filter is None:
            return {}
        shown = shorten(self.filter, 200)
        try:
            query = parse_extended_json(self.filter)
        except NotExtendedJson as error:
            raise SourceError(
                f"--filter-source {shown}: not Extended JSON ({error}); expected a query like "
                """'{"lang": "en"}', in quotes for the shell"""
            ) from error
        if not isinstance(query, dict):
            raise SourceError(
                f"--filter-source {shown}: expected a JSON object like {{field: value}}"
            )
        try:
            bson.encode(query)
        except (BSONError, ValueError, OverflowError, RecursionError) as error:
            raise SourceError(f"--filter-source {shown}: cannot be sent: {error}") from error
        return query

    def directed(self, paths: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
        """Options with those that the source settles: in place it is the target as well.

        Raises ConfigError if others were given.
        """
        if not self.in_place or not addresses(paths):
            return dict(options)
        try:
            source = Address.of(addresses(paths)[0])
        except SourceError:
            return dict(options)  # `problems` reports it
        settled = {"database": source.database, "collection": source.collection}
        if source.uri is not None:
            settled["mongodb_uri"] = source.uri
        other = [n for n, v in settled.items() if options.get(n) not in (None, v)]
        if other:
            names = ", ".join(f"--{name.removeprefix('mongodb_')}" for name in other)
            raise ConfigError(
                [f"{names}: --in-place writes into the source, {source.namespace}; leave it out"],
                is_usage=True,
            )
        return {**options, **settled}

    def completed(self, settings: Settings, paths: Sequence[str]) -> Settings:
        """Settings that write to the source's own deployment, unless another one is named."""
        if settings.mongodb_uri is not None or not addresses(paths):
            return settings
        try:
            uri = Address.of(addresses(paths)[0]).uri
        except SourceError:
            return settings
        return settings.model_copy(update={"mongodb_uri": SecretStr(uri) if uri else None})

    @contextmanager
    def opened(
        self, path: str, fields: Fields, client: MongoClient[Any], retries: RetryBudget
    ) -> Iterator[MongoSource]:
        """`client` is connected to the target's deployment; another one is opened if needed."""
        address = Address.of(path)
        if address.uri is None:
            yield MongoSource(client, address, fields, self.query(), retries)
            return
        with address.connected() as other:
            # Another deployment has a retry budget of its own.
            elsewhere = RetryBudget(retries.seconds)
            yield MongoSource(other, address, fields, self.query(), elsewhere)

    def problems(self, paths: Sequence[str], fields: Fields, format: object) -> Iterator[str]:
        named = addresses(paths)
        if not named:
            yield from self._needless()
            return
        if len(paths) > 1:
            yield (
                "a MongoDB collection cannot be combined with other PATHs; run leaf-ingest once "
                "for each PATH"
            )
        if fields.id not in ("id", "_id"):
            yield (
                f"--id-field {shorten(fields.id, 80)}: documents of a collection are "
                "identified by their _id"
            )
        if format is not None:
            yield (
                f"--format {shorten(str(format), 80)}: a MongoDB collection has no format; leave "
                "it out"
            )
        if self.path is not None:
            yield from self._path_problems(self.path, fields)
        for path in named:
            try:
                Address.of(path)
            except SourceError as error:
                yield str(error)
        try:
            self.query()
        except SourceError as error:
            yield str(error)

    def _needless(self) -> Iterator[str]:
        for option, given in (
            ("--in-place", self.in_place),
            ("--path", self.path is not None),
            ("--follow", self.follow),
            ("--filter-source", self.filter is not None),
        ):
            if given:
                yield f"{option}: expected a MongoDB collection as PATH, mongodb://..."

    def _path_problems(self, path: str, fields: Fields) -> Iterator[str]:
        if not self.in_place:
            yield f"--path {shorten(path, 80)}: only for --in-place"
        elif not path or set(path) & set(".$\0") or not is_unicode(path):
            yield f"--path {quote(path)}: expected a name without dots and $"
        elif path in (*_TAKEN, *(name.partition(".")[0] for name in (*fields.texts, fields.title))):
            yield f"--path {path}: is taken; expected a field that holds nothing else"
