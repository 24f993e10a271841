"""The values of one filter path, by kind, with the rows that have them.

Each kind has two parallel arrays, rows and values; a row with an array has several entries. Terms
(strings, ObjectIds, UUIDs) are stored as numbers into a dictionary, so that equality compares
integers.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.arrays import GrowingArray
from leafmongo.engine.filters.values import TERMS, Key, KeyKind

Mask = NDArray[np.bool_]
_DTYPES = {KeyKind.DOUBLE: np.float64, KeyKind.BOOLEAN: np.int8, KeyKind.NULL: np.int8}


class Entries:
    """Rows and their values, all of one kind."""

    def __init__(self, kind: KeyKind) -> None:
        self.kind = kind
        self.rows = GrowingArray(np.int64)
        self.values = GrowingArray(_DTYPES.get(kind, np.int64))
        self.terms: list[bytes] = []
        self._numbers: dict[bytes, int] = {}
        self._term_bytes = 0

    def extend(self, rows: Iterable[int], values: Sequence[Any]) -> None:
        self.rows.extend(list(rows))
        if self.kind in TERMS:
            values = [self._number(term) for term in values]
        elif self.kind is KeyKind.NULL:
            values = [0] * len(values)
        self.values.extend(values)

    def _number(self, term: bytes) -> int:
        number = self._numbers.setdefault(term, len(self.terms))
        if number == len(self.terms):
            self.terms.append(term)
            self._term_bytes += len(term)
        return number

    def number(self, term: bytes) -> int:
        """The term's number; -1, which no row has, for an unknown term."""
        return self._numbers.get(term, -1)

    def keep(self, mask: Mask, new_rows: NDArray[np.int64]) -> None:
        """Keep the entries of these rows, under their new numbers, and drop unused terms."""
        kept = mask[self.rows.view]
        values = self.values.view[kept]
        if self.kind in TERMS:
            used, values = np.unique(values, return_inverse=True)
            self.terms = [self.terms[number] for number in used]
            self._numbers = {term: number for number, term in enumerate(self.terms)}
            self._term_bytes = sum(map(len, self.terms))
        self.values.replace(values)
        self.rows.replace(new_rows[self.rows.view[kept]])

    @property
    def nbytes(self) -> int:
        """Bytes without Python's overhead for the dictionary of terms."""
        return self.rows.nbytes + self.values.nbytes + self._term_bytes


class FilterColumn:
    """The entries of all kinds at one path, and the rows that have the path at all."""

    def __init__(self) -> None:
        self.present = GrowingArray(np.int64)
        self._entries: dict[KeyKind, Entries] = {}

    def entries(self, kind: KeyKind) -> Entries | None:
        return self._entries.get(kind)

    def extend(self, rows: Sequence[int], keys: Sequence[Sequence[Key]]) -> None:
        """`keys` has a sequence for each row that has the path."""
        self.present.extend(rows)
        by_kind: dict[KeyKind, tuple[list[int], list[Any]]] = {}
        for row, row_keys in zip(rows, keys, strict=True):
            for key in row_keys:
                kind_rows, values = by_kind.setdefault(key.kind, ([], []))
                kind_rows.append(row)
                values.append(key.value)
        for kind, (kind_rows, values) in by_kind.items():
            if kind not in self._entries:
                self._entries[kind] = Entries(kind)
            self._entries[kind].extend(kind_rows, values)

    def keep(self, mask: Mask, new_rows: NDArray[np.int64]) -> None:
        present = self.present.view
        self.present.replace(new_rows[present[mask[present]]])
        for entries in self._entries.values():
            entries.keep(mask, new_rows)

    @property
    def nbytes(self) -> int:
        return self.present.nbytes + sum(each.nbytes for each in self._entries.values())
