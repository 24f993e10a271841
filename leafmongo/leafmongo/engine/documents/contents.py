"""What an index holds: documents in slots, their elements, and the columns of both.

A slot is never used twice: an update leaves its old slot dead and takes the next one, which makes
slot order the order of insertion. Dead slots are swept out once they outnumber the living.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.definition import VectorDefinition
from leafmongo.engine.documents.batch import Batch, IdKey, id_key
from leafmongo.engine.documents.columns import Level
from leafmongo.engine.documents.growable import GrowingArray
from leafmongo.engine.filters.column import Mask

_FEW = 1000  # dead slots not worth sweeping
_EXAMPLES = 5
_DOCUMENT_BYTES = 150  # its id, and its place in a list and in a dictionary


class Contents:
    """Not safe for threads; `ids` and `sources` are replaced, never shortened."""

    def __init__(self, definition: VectorDefinition) -> None:
        self.documents = Level(definition)
        self.elements = Level(definition)
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

    def add(self, batch: Batch) -> None:
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
        """None where nothing is dead; to be read before the next change."""
        if not self.dead:
            return None
        alive: NDArray[np.bool_] = self.alive.view
        return alive[self.parents.view] if nested else alive

    def vectors(self) -> int:
        if not self.dead:
            levels = (self.documents, self.elements)
            return sum(len(store.owners) for level in levels for store in level.stores.values())
        alive = self.alive.view
        owners = [store.owners.view for store in self.documents.stores.values()]
        elements = [store.owners.view for store in self.elements.stores.values()]
        owners += [self.parents.view[each] for each in elements]
        return sum(int(alive[each].sum()) for each in owners)

    def skipped(self) -> tuple[dict[str, int], dict[str, list[Any]]]:
        """For each reason how many documents, and the ids of the first few."""
        counts = Counter(reason for reasons in self._reasons.values() for reason in reasons)
        examples: dict[str, list[Any]] = {reason: [] for reason in counts}
        for slot, reasons in self._reasons.items():
            for reason in reasons:
                if len(examples[reason]) < _EXAMPLES:
                    examples[reason].append(self.ids[slot])
        return dict(counts), examples

    @property
    def nbytes(self) -> int:
        """Of Python's own objects an estimate, as this is asked for often."""
        arrays = self.parents.nbytes + self.alive.nbytes
        columns = self.documents.nbytes + self.elements.nbytes
        return columns + arrays + self._source_bytes + len(self.ids) * _DOCUMENT_BYTES
