"""The columns of one level: all documents, or all elements under nestedRoot."""

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.definition import VectorDefinition
from leafmongo.engine.documents.batch import StoreKey, UnitRows
from leafmongo.engine.documents.stores import Store, store_for
from leafmongo.engine.filters.column import FilterColumn, Mask
from leafmongo.engine.filters.match import matching
from leafmongo.engine.filters.syntax import Clause


class Level:
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
        """Drops the other units; returns what each kept one's number is now."""
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

    def matching(self, clause: Clause) -> Mask:
        return matching(clause, self._columns, self.count)

    @property
    def nbytes(self) -> int:
        stores = sum(store.nbytes for store in self.stores.values())
        return stores + sum(column.nbytes for column in self._columns.values())
