"""Documents drawn from the collection, with their vectors read."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from leafsearch.doctor.index_entry import IndexEntry
from leafsearch.doctor.stored_vectors import Stored, read, why_skipped
from leafsearch.search.values import values_at

T = TypeVar("T")


@dataclass(frozen=True)
class Drawn:
    """`faults` say what stands at the path instead of a vector."""

    id: Any
    document: Mapping[str, Any]
    vectors: tuple[Stored, ...]
    faults: tuple[str, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any], path: str) -> "Drawn":
        found = [read(value) for value in _each_vector(values_at(document, path))]
        return cls(
            document["_id"],
            document,
            tuple(f for f in found if isinstance(f, Stored)),
            tuple(f for f in found if isinstance(f, str)),
        )

    @property
    def is_empty(self) -> bool:
        return not self.vectors and not self.faults


@dataclass(frozen=True)
class Passage:
    """`text` as it was encoded."""

    id: Any
    text: str
    stored: Stored


@dataclass(frozen=True)
class Sample:
    drawn: Sequence[Drawn]
    whole: bool  # whether these are all documents there are

    def __len__(self) -> int:
        return len(self.drawn)

    @property
    def vectors(self) -> Iterator[tuple[Any, Stored]]:
        """With the id of the document that each is in."""
        return ((drawn.id, vector) for drawn in self.drawn for vector in drawn.vectors)

    @property
    def stored(self) -> list[Stored]:
        return [vector for _, vector in self.vectors]

    @property
    def alike(self) -> list[tuple[Any, Stored]]:
        """The usable vectors of the type and size that most have."""
        usable = [(id, v) for id, v in self.vectors if v.is_finite and not v.is_zero]
        forms = Counter((v.kind, v.dimensions) for _, v in usable)
        return [(id, v) for id, v in usable if (v.kind, v.dimensions) == forms.most_common(1)[0][0]]

    def indexed_by(self, index: IndexEntry) -> list[tuple[Any, Stored]]:
        """Those that the server must have indexed."""
        return [(id, v) for id, v in self.vectors if why_skipped(v, index) is None]

    def skipped_by(self, index: IndexEntry) -> list[Any]:
        """Ids of the documents that the server cannot have indexed."""
        return [
            drawn.id
            for drawn in self.drawn
            if not any(why_skipped(vector, index) is None for vector in drawn.vectors)
        ]

    def of(self, few: int) -> str:
        """`12 of 1,000 sampled documents`."""
        return f"{few:,} of {len(self):,} {self._sampled}documents"

    def of_vectors(self, few: int) -> str:
        return f"{few:,} of {len(self.stored):,} {self._sampled}vectors"

    @property
    def _sampled(self) -> str:
        return "" if self.whole else "sampled "


def spread(items: Sequence[T], most: int) -> Sequence[T]:
    """At most so many, evenly from all."""
    return items[:: max(1, -(-len(items) // most))]


def shown(ids: Sequence[Any]) -> str:
    """A few ids, for a user who wants to look."""
    some = ", ".join(repr(each) for each in ids[:3])
    return f"_id {some}{', ...' if len(ids) > 3 else ''}"


def _each_vector(values: Sequence[Any]) -> Iterator[Any]:
    """null is as good as absent; an array of vectors is taken apart."""
    for value in values:
        if isinstance(value, list) and any(isinstance(each, list | bytes) for each in value):
            yield from _each_vector(value)
        elif value is not None:
            yield value
