"""The formats that are compared: who encodes, and how documents are stored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from leafsearch.config import Storage
from leafsearch.vectors import Rows
from leafsearch.vectors.store import Form, Sample, choose_form_by_bytes, sample_queries

Role = Literal["teacher", "student"]
TransformKind = Literal["none", "pca"]

FITTED_ON = 2048  # first rows, as in ingest
_SHORTER = (512, 256, 192, 128, 64)
_BUDGETS = (100, 200, 400, 800)  # bytes
_BUDGET = "--bytes"


@dataclass(frozen=True, kw_only=True)
class Format:
    """One row of the table. `rescore` is for bits, as in search.Query; None is its default
    there."""

    name: str
    storage: Storage
    transform: TransformKind = "none"
    documents: Role = "teacher"
    queries: Role = "student"
    rescore: int | None = None

    @property
    def dimensions(self) -> int:
        assert self.storage.dimensions is not None
        return self.storage.dimensions

    @property
    def series(self) -> str:
        """What formats of other dimensions, or of other budgets, have in common."""
        return _BUDGET if self.is_budget else self.name

    @property
    def is_budget(self) -> bool:
        return self.name.startswith(_BUDGET)

    @property
    def form(self) -> Form:
        storage = self.storage
        is_rotated = self.transform != "none"
        return Form(self.dimensions, storage.precision, storage.beside, is_rotated)

    @property
    def alone(self) -> bool:
        """Whether one of two models encodes both sides."""
        return self.documents == self.queries

    @property
    def stored(self) -> tuple[Role, Storage, TransformKind]:
        """Formats with equal values can share one collection."""
        return self.documents, self.storage, self.transform


def formats(dimensions: int, *, one_model: bool) -> list[Format]:
    """All formats for models of so many dimensions.

    `one_model`: teacher and student are the same, so that it does not matter which one encodes.
    """
    full = Storage(dimensions=dimensions)
    found = [] if one_model else _symmetric(full)
    found.append(Format(name="float32", storage=full))
    return [*found, *derived_formats(dimensions)]


def sample_of(rows: Rows, texts: Sequence[str], encode: Callable[[Sequence[str]], Rows]) -> Sample:
    """What ingest chooses a form on: whole vectors and texts of its first chunks, and queries that
    the student encodes."""
    queries, own = sample_queries(texts[:FITTED_ON])
    if not queries:
        return Sample.of_documents(rows[:FITTED_ON])
    return Sample(rows[:FITTED_ON], encode(queries), own)


def derived_formats(dimensions: int, *, whole: bool = True) -> list[Format]:
    """All formats that can be made from float32 rows of so many dimensions, except these rows.

    `whole`: the rows have all dimensions of the model, in its own order, and can be rotated.
    """
    found = _shorter(dimensions, "float32", whole)
    found.append(Format(name="int8", storage=Storage(dimensions=dimensions, precision="int8")))
    found += _shorter(dimensions, "int8", whole)
    bits = Storage(dimensions=dimensions, precision="binary")
    found.append(Format(name="bits", storage=bits, rescore=0))
    found.append(Format(name="bits, rescored", storage=bits))
    found.append(Format(name="bits and int8", storage=replace(bits, beside="int8")))
    whole_row = Storage(dimensions=dimensions)
    for name, storage in (
        ("server's scalar", replace(whole_row, quantization="scalar")),
        ("server's binary", replace(whole_row, quantization="binary")),
        ("server's int8", replace(whole_row, precision="int8", quantization="binary")),
    ):
        found.append(Format(name=name, storage=storage))
    return [f for f in found if not f.storage.problems()]


def budget_formats(sample: Sample) -> list[Format]:
    """The forms that `leaf-ingest --bytes N` chooses on this sample of whole vectors."""
    found = []
    for most in _BUDGETS:
        if most < Form(sample.dimensions, "float32").bytes:
            form = choose_form_by_bytes(sample, most, "auto").form
            storage = Storage(
                dimensions=form.dimensions, precision=form.precision, beside=form.beside
            )
            transform: TransformKind = "pca" if form.is_rotated else "none"
            name = f"{_BUDGET} {most}"
            found.append(Format(name=name, storage=storage, transform=transform))
    return found


def _shorter(dimensions: int, precision: Literal["float32", "int8"], whole: bool) -> list[Format]:
    found = []
    for d in _SHORTER:
        if d < dimensions:
            storage = Storage(dimensions=d, precision=precision)
            found.append(Format(name=precision, storage=storage))
            if whole:
                found.append(Format(name=f"{precision}, rotated", storage=storage, transform="pca"))
    return found


def group_by_collection(all: Sequence[Format]) -> list[list[Format]]:
    groups: dict[object, list[Format]] = {}
    for format in all:
        groups.setdefault(format.stored, []).append(format)
    return list(groups.values())


def distinct(all: Sequence[Format]) -> list[Format]:
    """Without budgets that come out as a form that is there anyway."""
    there = {format.stored for format in all if not format.is_budget}
    return [format for format in all if not format.is_budget or format.stored not in there]


def leave_out(group: Sequence[Format], why: Exception) -> str:
    """A line for formats that these vectors cannot take, so that the others are still measured."""
    names = " and ".join(f"{format.dimensions} x {format.name}" for format in group)
    return f"{names} left out: {why}"


def _symmetric(full: Storage) -> list[Format]:
    return [
        Format(name=f"{who} alone", storage=full, documents=who, queries=who)
        for who in ("teacher", "student")
    ]
