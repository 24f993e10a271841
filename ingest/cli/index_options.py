"""What a user asks of a collection beyond the settings, and what of it can never be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from leafsearch.config import ConfigError, Settings, Storage
from leafsearch.config.analyzers import CHOICES as ANALYZER_CHOICES
from leafsearch.config.storage import (
    BESIDE,
    INDEXING_METHODS,
    PRECISIONS,
    QUANTIZATIONS,
    UNTUNED,
    IndexTuning,
)
from leafsearch.config.text import expected_one_of, is_unicode, quote, shorten
from leafsearch.ingest.chunking.chunker import FEWEST_TOKENS
from leafsearch.vectors import Manifest
from leafsearch.vectors.store import CHOICES, FEWEST_BYTES, STORED_FORM, OpenForm

_TOP_LEVEL = ("_id", "document", "position", "text", "hash")
_LONGEST_PATH = 1024  # bytes
_DEEPEST_PATH = 100  # MongoDB nests documents no deeper


@dataclass(frozen=True, kw_only=True)
class InPlaceChoice:
    """Where in the documents of others texts stand and vectors go."""

    path: str | None = None
    text_field: str | None = None
    more_text_fields: Sequence[str] = ()  # whose texts follow it
    title_field: str | None = None

    @property
    def given(self) -> dict[str, Any]:
        """By the names of the manifest."""
        named: dict[str, Any] = {"path": self.path, "title_field": self.title_field}
        if self.text_field is not None:
            more = tuple(self.more_text_fields)
            named |= {"text_field": self.text_field, "more_text_fields": more}
        return {name: value for name, value in named.items() if value is not None}

    def manifest(self, manifest: Manifest, filters: Sequence[str]) -> Manifest:
        """Turn the manifest of a chunk collection into that of a new collection in place."""
        fields = {"text_field": "text", "title_field": "title", **self.given}
        return replace(manifest, layout="in_place", filters=tuple(filters), **fields)


@dataclass(frozen=True, kw_only=True)
class Choices:
    """None is not given, so that the manifest may decide."""

    dimensions: int | None = None
    precision: str | None = None
    quantization: str | None = None
    beside: str | None = None
    transform: str | None = None
    most_bytes: int | None = None  # of a chunk's vectors; decides the form
    chunk_tokens: int | None = None
    chunk_overlap: int | None = None
    filters: Sequence[str] = ()
    hybrid: bool = False
    heading_trail: bool | None = None
    in_place: InPlaceChoice | None = None
    tuning: IndexTuning = UNTUNED
    text_analyzer: str | None = None  # auto: by the language of the texts

    @property
    def has_words(self) -> bool:
        """Whether a text index is asked for."""
        return self.hybrid or self.text_analyzer is not None

    @property
    def chunking(self) -> dict[str, Any]:
        """What is given of it, by the names of the manifest."""
        names = ("chunk_tokens", "chunk_overlap", "heading_trail")
        return {n: getattr(self, n) for n in names if getattr(self, n) is not None}

    @property
    def form(self) -> dict[str, Any]:
        """The options of the stored form that were given, by the names of the manifest."""
        return {n: getattr(self, n) for n in STORED_FORM if getattr(self, n) is not None}

    def asked_transform(self, manifest: Manifest) -> dict[str, str]:
        """The transform that a collection has to have, by its name in the manifest.

        A collection that keeps all dimensions has no rotation, which would gain nothing.
        """
        if self.transform in (None, "auto"):
            return {}
        is_whole = manifest.dimensions == manifest.teacher.dimensions
        return {"transform": "none" if is_whole else str(self.transform)}

    def beats(self, settings: Settings) -> Settings:
        """The settings without what these options overrule."""
        return settings if self.most_bytes is None else settings.without("storage")

    def open_form(self, transform: str) -> OpenForm:
        """What the first chunks of a new collection decide, `transform` unless one was given."""
        return OpenForm(self.transform or transform, self.most_bytes)

    def storage(self, settings: Settings) -> Storage:
        """Raises ConfigError for a form that no collection can have."""
        asked = {"precision": (self.precision, PRECISIONS)}
        asked["quantization"] = (self.quantization, QUANTIZATIONS)
        asked["beside"] = (self.beside, BESIDE)
        asked["transform"] = (self.transform, CHOICES)
        if problems := [p for n, (v, known) in asked.items() for p in one_of(f"--{n}", v, known)]:
            raise ConfigError(problems, is_usage=True)
        return settings.stored_as(
            dimensions=self.dimensions,
            precision=self.precision,
            quantization=self.quantization,
            beside=self.beside,
        )

    def problems(self, settings: Settings) -> list[str]:
        """List the problems that need neither a model nor a server to be seen."""
        found = [*self._storage_problems(settings), *self._chunking_problems()]
        method = self.tuning.indexing_method
        found += one_of("--indexing-method", method, INDEXING_METHODS)
        found += self.tuning.problems()
        found += one_of("--text-analyzer", self.text_analyzer, ANALYZER_CHOICES)
        theirs = self.in_place is not None
        return found + [p for path in self.filters for p in filter_problems(path, theirs=theirs)]

    def _storage_problems(self, settings: Settings) -> list[str]:
        if problems := list(self._bytes_problems(settings)):
            return problems
        try:
            self.storage(settings)
        except ConfigError as error:
            return error.problems
        return []

    def _bytes_problems(self, settings: Settings) -> Iterator[str]:
        if self.most_bytes is None:
            return
        if self.most_bytes < FEWEST_BYTES:
            yield f"--bytes {self.most_bytes}: expected {FEWEST_BYTES} or more"
        given = [f"--{name}" for name in self.form]
        if settings.asker("storage").startswith("--"):
            given.append("--storage")
        if given:
            yield (
                f"--bytes {self.most_bytes}: it chooses dimensions and precision itself; leave out "
                f"{', '.join(given)}"
            )

    def _chunking_problems(self) -> Iterator[str]:
        tokens, overlap = self.chunk_tokens, self.chunk_overlap
        if tokens is not None and tokens < FEWEST_TOKENS:
            yield f"--chunk-tokens {tokens}: expected {FEWEST_TOKENS} or more"
        if overlap is not None and overlap < 0:
            yield f"--chunk-overlap {overlap}: expected 0 to half of --chunk-tokens"


def one_of(option: str, value: Any, known: Sequence[str]) -> Iterator[str]:
    if value is not None and value not in known:
        shown = shorten(str(value), 80)
        yield f"{option} {shown}: {expected_one_of(shown, known)}"


def filter_problems(path: str, *, theirs: bool = False) -> Iterator[str]:
    """The server may take a path that no document has, or fail of it much later.

    `theirs`: in documents of others, where a path is whatever they have.
    """
    shown = path if len(path) <= 60 else f"{path[:60]}..."
    names = path.split(".")
    if not is_unicode(path):
        yield f"--filter-field {quote(path)}: expected text in UTF-8"
    elif len(path.encode()) > _LONGEST_PATH or len(names) > _DEEPEST_PATH:
        yield (
            f"--filter-field {shown}: expected at most {_LONGEST_PATH} bytes and {_DEEPEST_PATH} "
            "names"
        )
    elif bad := [name for name in names if not name or name.startswith("$") or "\0" in name]:
        yield (
            f"--filter-field {shown!r}: expected names with dots between them, like metadata.year; "
            + (f"{quote(bad[0])} cannot be one" if bad[0] else "an empty one was given")
        )
    elif theirs:
        return
    elif path == "metadata":
        yield "--filter-field metadata: expected a path below it, like metadata.year"
    elif path == "place":
        yield "--filter-field place: expected a path below it, like place.page"
    elif names[0] not in ("metadata", "place") and path not in _TOP_LEVEL:
        yield (
            f"--filter-field {shown}: a document's own fields are stored below metadata; did "
            f"you mean --filter-field metadata.{shown}?"
        )
