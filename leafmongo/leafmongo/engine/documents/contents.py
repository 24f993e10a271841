"""The contents of a vector index: documents in slots, their elements, and the columns of both.

A slot is never reused: an update marks its old slot dead and takes the next one, so that slots are
in order of insertion. Dead slots are removed once they outnumber the living.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.arrays import GrowingArray
from leafmongo.engine.definition import VectorDefinition
from leafmongo.engine.documents.batch import DocumentBatch, IdKey, StoreKey, UnitRows, id_key
from leafmongo.engine.documents.stores import Store, store_for
from leafmongo.engine.filters.column import FilterColumn, Mask
from leafmongo.engine.filters.match import match_clause
from leafmongo.engine.filters.syntax import Clause


class UnitColumns:
    """The columns of all documents, or of all elements under nestedRoot."""

    def __init__(self, definition: VectorDefinition) -> None:
        self._fields = {field.path: field for field in definition.vector_fields}
        self.count = 0
        self.stores: dict[StoreKey, Store] = {}
        self._columns: dict[str, FilterColumn] = {}

    def extend(self, rows: UnitRows) -> None:
        base = self.count
        for key, vectors in rows.vectors.items():
            if key not in self.stores:
                self.stores[key] = store_for(self._fields[key[0]], key[1])
            self.stores[key].extend(vectors.values, base + vectors.units)
        for path, (present, keys) in rows.keys.items():
            column = self._columns.setdefault(path, FilterColumn())
            column.extend([base + row for row in present], keys)
        self.count += rows.count

    def keep(self, mask: Mask) -> NDArray[np.int64]:
        """Drop the other units; return the new number of each kept unit."""
        new_rows = np.cumsum(mask, dtype=np.int64) - 1
        for store in self.stores.values():
            owners = store.owners.view
            kept = mask[owners]
            store.keep(kept)
            store.owners.replace(new_rows[owners[kept]])
        for column in self._columns.values():
            column.keep(mask, new_rows)
        self.count = int(mask.sum())
        return new_rows

    def match(self, clause: Clause) -> Mask:
        return match_clause(clause, self._columns, self.count)

    @property
    def nbytes(self) -> int:
        stores = sum(store.nbytes for store in self.stores.values())
        return stores + sum(column.nbytes for column in self._columns.values())


_FEW = 1000  # dead slots that are not worth removing
_EXAMPLES = 5
_DOCUMENT_BYTES = 150  # its id, and its entries in a list and a dictionary


class IndexContents:
    """Not safe for threads. `ids` and `sources` are replaced, never shortened in place."""

    def __init__(self, definition: VectorDefinition) -> None:
        self.documents = UnitColumns(definition)
        self.elements = UnitColumns(definition)
        self.parents = GrowingArray(np.int64)
        self.alive = GrowingArray(np.bool_)
        self.ids: list[Any] = []
        self.sources: list[bytes | None] = []
        self._slots: dict[IdKey, int] = {}
        self._source_bytes = 0
        self._reasons: dict[int, frozenset[str]] = {}

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def dead(self) -> int:
        return len(self.ids) - len(self._slots)

    def add(self, batch: DocumentBatch) -> None:
        base = len(self.ids)
        self.alive.extend(np.ones(len(batch.ids), dtype=np.bool_))
        self.ids.extend(batch.ids)
        self.sources.extend(batch.sources)
        self._source_bytes += sum(map(len, filter(None, batch.sources)))
        self.parents.extend([base + parent for parent in batch.parents])
        self.documents.extend(batch.documents)
        self.elements.extend(batch.elements)
        for row, reasons in batch.reasons.items():
            self._reasons[base + row] = reasons
        for row, key in enumerate(batch.keys):
            self._bury(key)
            self._slots[key] = base + row
        self._sweep()

    def remove(self, ids: Iterable[Any]) -> None:
        for id_ in ids:
            self._bury(id_key(id_))
        self._sweep()

    def _bury(self, key: IdKey) -> None:
        slot = self._slots.pop(key, None)
        if slot is not None:
            self.alive.view[slot] = False
            self._reasons.pop(slot, None)

    def _sweep(self) -> None:
        if self.dead <= max(_FEW, len(self)):
            return
        alive = self.alive.view.copy()
        kept = alive[self.parents.view]
        self.elements.keep(kept)
        slots = self.documents.keep(alive)
        self.parents.replace(slots[self.parents.view[kept]])
        self.alive.replace(alive[alive])
        living = np.flatnonzero(alive).tolist()
        self.ids = [self.ids[slot] for slot in living]
        self.sources = [self.sources[slot] for slot in living]
        self._source_bytes = sum(map(len, filter(None, self.sources)))
        self._slots = {key: int(slots[slot]) for key, slot in self._slots.items()}
        self._reasons = {int(slots[slot]): why for slot, why in self._reasons.items()}

    def alive_units(self, *, nested: bool) -> Mask | None:
        """Which units are alive, valid until the next change; None if all are."""
        if not self.dead:
            return None
        alive: NDArray[np.bool_] = self.alive.view
        return alive[self.parents.view] if nested else alive

    def vectors(self) -> int:
        if not self.dead:
            both = (self.documents, self.elements)
            return sum(len(store.owners) for units in both for store in units.stores.values())
        alive = self.alive.view
        owners = [store.owners.view for store in self.documents.stores.values()]
        elements = [store.owners.view for store in self.elements.stores.values()]
        owners += [self.parents.view[each] for each in elements]
        return sum(int(alive[each].sum()) for each in owners)

    def skipped(self) -> tuple[dict[str, int], dict[str, list[Any]]]:
        """By reason: the number of documents, and the ids of the first few."""
        counts = Counter(reason for reasons in self._reasons.values() for reason in reasons)
        examples: dict[str, list[Any]] = {reason: [] for reason in counts}
        for slot, reasons in self._reasons.items():
            for reason in reasons:
                if len(examples[reason]) < _EXAMPLES:
                    examples[reason].append(self.ids[slot])
        return dict(counts), examples

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays, plus an estimate for Python objects, as this is called often."""
        arrays = self.parents.nbytes + self.alive.nbytes
        columns = self.documents.nbytes + self.elements.nbytes
        return columns + arrays + self._source_bytes + len(self.ids) * _DOCUMENT_BYTES
