"""What runs of `leaf-ingest` make of a collection, one after another: plain values, no server."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, combinations, permutations
from typing import Literal, NamedTuple

Kind = Literal["ingest", "prune", "rebuild", "rollback", "retire", "repair"]


class Value(NamedTuple):
    """A stored document: which edition of its text, and from which source."""

    edition: int
    source: str


Docs = Mapping[str, Value]


@dataclass(frozen=True)
class Op:
    """One command. `dims` are of the teacher that a rebuild asks for."""

    kind: Kind
    ids: tuple[str, ...] = ()
    edition: int = 0
    source: str = ""
    dims: int = 0

    def written(self) -> dict[str, Value]:
        return dict.fromkeys(self.ids, Value(self.edition, self.source))

    def __str__(self) -> str:
        corpus = f" {self.ids[0]}..{self.ids[-1]} e{self.edition} {self.source}" if self.ids else ""
        return self.kind + corpus + (f" {self.dims}" if self.dims else "")


@dataclass(frozen=True)
class CollectionModel:
    """`docs` and `dims` by generation; None where a command would be refused."""

    docs: Mapping[int, Docs]
    dims: Mapping[int, int]
    active: int = 1
    next: int | None = None
    previous: int | None = None
    newest: int = 1

    @classmethod
    def of(cls, docs: Docs, dims: int = 64) -> "CollectionModel":
        return cls({1: docs}, {1: dims})

    @property
    def found(self) -> Docs:
        """What searches find."""
        return self.docs[self.active]

    def after(self, op: Op) -> "CollectionModel | None":
        match op.kind:
            case "ingest" | "prune":
                return self._written(op, self.active)
            case "rebuild":
                return self._rebuilt(op)
            case "rollback":
                return self._rolled_back()
            case "retire":
                only = self.active
                docs, dims = {only: self.found}, {only: self.dims[only]}
                return replace(self, docs=docs, dims=dims, next=None, previous=None)
            case "repair":  # of vectors that are all sound
                return self

    def _written(self, op: Op, generation: int) -> "CollectionModel":
        docs = {**self.docs[generation], **op.written()}
        if op.kind == "prune":
            mine = set(op.ids)
            docs = {d: v for d, v in docs.items() if v.source != op.source or d in mine}
        return replace(self, docs={**self.docs, generation: docs})

    def _rebuilt(self, op: Op) -> "CollectionModel | None":
        begun = self
        if self.next is not None:
            generation = self.next if self.dims[self.next] == op.dims else None
        elif self.previous is not None:
            kept = self.previous
            candidates = (kept, self.active) if kept > self.active else (self.active,)
            generation = next((g for g in candidates if self.dims[g] == op.dims), None)
        else:
            generation = self.newest + 1
            docs, dims = {**self.docs, generation: {}}, {**self.dims, generation: op.dims}
            begun = replace(self, docs=docs, dims=dims, next=generation, newest=generation)
        if generation is None:
            return None
        built = begun._written(op, generation)
        if generation == self.active:
            return built
        if not built.found.keys() <= built.docs[generation].keys():
            return None
        return replace(built, active=generation, previous=self.active, next=None)

    def _rolled_back(self) -> "CollectionModel | None":
        if self.previous is None:
            return None
        if self.previous > self.active:
            return self
        return replace(self, active=self.previous, previous=self.active)


def orders(
    begin: CollectionModel, done: Sequence[Op], perhaps: Sequence[Op] = ()
) -> Iterator[CollectionModel]:
    """Every end that `done`, and any of `perhaps`, can have when they run one after another."""
    some = chain.from_iterable(combinations(perhaps, n) for n in range(len(perhaps) + 1))
    for added in some:
        for order in permutations([*done, *added]):
            if (end := _folded(begin, order)) is not None:
                yield end


def _folded(model: CollectionModel | None, ops: Iterable[Op]) -> CollectionModel | None:
    for op in ops:
        if model is None:
            return None
        model = model.after(op)
    return model


def touched(op: Op, begin: Docs, ops: Iterable[Op]) -> set[str]:
    """Documents that a run which was stopped half-way may have changed."""
    if op.kind != "prune":
        return set(op.ids)
    from_it = {d for d, v in begin.items() if v.source == op.source}
    for other in ops:
        from_it |= set(other.ids) if other.source == op.source else set()
    return from_it | set(op.ids)


@dataclass
class Ledger:
    """What was done, and what was looked at."""

    steps: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    checks: dict[str, int] = field(default_factory=dict)
    endings: dict[str, int] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)  # with which commands failed

    def add(self, what: dict[str, int], name: str, count: int = 1) -> None:
        what[name] = what.get(name, 0) + count

    def __str__(self) -> str:
        def shown(what: Mapping[str, int]) -> str:
            return ", ".join(f"{n} {v}" for n, v in sorted(what.items())) or "none"

        return (
            f"steps: {shown(self.steps)}\nkills of runs: {self.kills}\n"
            f"faults: {shown(self.faults)}\nendings: {shown(self.endings)}\n"
            f"checks: {shown(self.checks)}\n"
            + "".join(f"  failed {count} times: {line}\n" for line, count in self.lines.items())
        )
