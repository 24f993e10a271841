"""The contents of a text index: documents in rows, their filter columns, postings for each path.

A row is never reused: an update marks its old row dead and takes the next one, so that rows are in
order of insertion. Dead rows are removed once they outnumber the living. Postings identify
documents by serial numbers, which ascend like rows but do not change when rows move.
"""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.arrays import GrowingArray
from leafmongo.engine.documents.batch import IdKey, id_key
from leafmongo.engine.filters.column import FilterColumn, Mask
from leafmongo.engine.text.postings import Postings
from leafmongo.engine.text.read import TextRows

_FEW = 1000  # dead rows that are not worth removing
_DOCUMENT_BYTES = 150  # its id, and its entries in a list and a dictionary


class TextContents:
    """Not safe for threads."""

    def __init__(self, analyzers_of: Callable[[str], tuple[str, str]]) -> None:
        """`analyzers_of` a path: of its texts, and of what is asked there."""
        self._analyzers_of = analyzers_of
        self.ids: list[object] = []
        self.alive = GrowingArray(np.bool_)
        self.columns: dict[str, FilterColumn] = {}
        self.postings: dict[str, Postings] = {}
        self._serials = GrowingArray(np.int64)
        self._next_serial = 0
        self._lengths = GrowingArray(np.int64)  # total characters of each row's texts
        self._texts: list[tuple[str, ...]] = []  # the paths at which each row has text
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
        """The rows of documents, which have to be alive."""
        return np.searchsorted(self._serials.view, serials)

    def _add_texts(self, serial: int, texts: dict[str, str]) -> None:
        for path, text in texts.items():
            if path not in self.postings:
                self.postings[path] = Postings(*self._analyzers_of(path))
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
        """Bytes; postings are estimated by the length of their texts."""
        texts = int(self._lengths.view[self.alive.view].sum())
        keys = len(self._rows) * _DOCUMENT_BYTES
        columns = sum(column.nbytes for column in self.columns.values())
        arrays = self.alive.nbytes + self._serials.nbytes + self._lengths.nbytes
        return texts + keys + columns + arrays
