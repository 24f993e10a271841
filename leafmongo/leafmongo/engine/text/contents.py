"""What a text index holds: documents in rows, their filter columns, and postings for each path.

A row is never used twice: an update leaves its old row dead and takes the next one, which makes
the order of rows that of insertion. Dead rows are swept out once they outnumber the living.
Postings know documents by serial numbers, which stay when rows move; both rise together.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.documents.batch import IdKey, id_key
from leafmongo.engine.documents.growable import GrowingArray
from leafmongo.engine.filters.column import FilterColumn, Mask
from leafmongo.engine.text.postings import Postings
from leafmongo.engine.text.read import TextRows

_FEW = 1000  # dead rows not worth sweeping
_DOCUMENT_BYTES = 150  # its id, and its place in a list and in a dictionary


class TextContents:
    """Not safe for threads."""

    def __init__(self) -> None:
        self.ids: list[object] = []
        self.alive = GrowingArray(np.bool_)
        self.columns: dict[str, FilterColumn] = {}
        self.postings: dict[str, Postings] = {}
        self._serials = GrowingArray(np.int64)
        self._next_serial = 0
        self._lengths = GrowingArray(np.int64)  # of each row's texts together
        self._texts: list[tuple[str, ...]] = []  # the paths where each row has one
        self._rows: dict[IdKey, int] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, rows: TextRows) -> None:
        base, count = len(self.ids), len(rows.ids)
        serials = range(self._next_serial, self._next_serial + count)
        self._next_serial += count
        self.ids += rows.ids
        self.alive.extend(np.ones(count, dtype=np.bool_))
        self._serials.extend(list(serials))
        self._lengths.extend([sum(map(len, texts.values())) for texts in rows.texts])
        self._texts += [tuple(texts) for texts in rows.texts]
        for path, (listed, keys) in rows.columns.items():
            column = self.columns.setdefault(path, FilterColumn())
            column.extend([base + row for row in listed], keys)
        for row, (key, serial) in enumerate(zip(rows.keys, serials, strict=True)):
            self._bury(key)
            self._rows[key] = base + row
            self._add_texts(serial, rows.texts[row])
        self._sweep()

    def remove(self, ids: Iterable[object]) -> None:
        for id_ in ids:
            self._bury(id_key(id_))
        self._sweep()

    def rows_of(self, serials: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where documents that are alive stand."""
        return np.searchsorted(self._serials.view, serials)

    def _add_texts(self, serial: int, texts: dict[str, str]) -> None:
        for path, text in texts.items():
            if path not in self.postings:
                self.postings[path] = Postings()
            self.postings[path].add(serial, text)

    def _bury(self, key: IdKey) -> None:
        row = self._rows.pop(key, None)
        if row is not None:
            self.alive.view[row] = False
            serial = int(self._serials.view[row])
            for path in self._texts[row]:
                self.postings[path].remove(serial)

    def _sweep(self) -> None:
        dead = len(self.ids) - len(self)
        if dead <= max(_FEW, len(self)):
            return
        alive: Mask = self.alive.view.copy()
        new_rows = np.cumsum(alive, dtype=np.int64) - 1
        for column in self.columns.values():
            column.keep(alive, new_rows)
        self._serials.replace(self._serials.view[alive])
        self.alive.replace(alive[alive])
        self._lengths.replace(self._lengths.view[alive])
        living = np.flatnonzero(alive).tolist()
        self.ids = [self.ids[row] for row in living]
        self._texts = [self._texts[row] for row in living]
        self._rows = {key: int(new_rows[row]) for key, row in self._rows.items()}

    @property
    def nbytes(self) -> int:
        """Postings count as the length of their texts, which is about what they take."""
        texts = int(self._lengths.view[self.alive.view].sum())
        keys = len(self._rows) * _DOCUMENT_BYTES
        columns = sum(column.nbytes for column in self.columns.values())
        arrays = self.alive.nbytes + self._serials.nbytes + self._lengths.nbytes
        return texts + keys + columns + arrays
