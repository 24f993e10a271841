"""The rows of a table in a safetensors file, of which only those that a text needs are read.

The file is mapped into memory here, because the library copies whole tensors, and a table may have
hundreds of megabytes. It does not read `pytorch_model.bin`, which can run code.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leafsearch.vectors.errors import ModelError

_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",  # numpy has no such numbers: their bits are the upper half of a float32's
    "I8": "i1",
    "I32": "<i4",
    "I64": "<i8",
}
_NUMBERS = ("F64", "F32", "F16", "BF16", "I8")
_ROWS = ("embedding.weight", "embeddings")  # of sentence-transformers, of model2vec
_MOST_HEADER = 100_000_000  # bytes, as the library has it


@dataclass(frozen=True)
class Table:
    """The row of token `id` is `rows[places[id]] * factors[id]`; each of the two may be missing."""

    rows: NDArray[Any]  # (n, dimensions)
    factors: NDArray[np.float32] | None = None  # (vocabulary,)
    places: NDArray[np.int64] | None = None  # (vocabulary,)
    is_bfloat16: bool = False

    @property
    def dimensions(self) -> int:
        return int(self.rows.shape[1])

    @property
    def vocabulary(self) -> int:
        """Ids below it have a row."""
        counts = [len(one) for one in (self.factors, self.places) if one is not None]
        return min(counts) if self.places is not None else min([len(self.rows), *counts])

    def sum(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The sum of the rows of these tokens. Raises IndexError if one has none."""
        rows = self._take(ids if self.places is None else self.places[ids])
        if self.factors is None:
            total: NDArray[np.float32] = rows.sum(axis=0)
        else:
            total = self.factors[ids] @ rows
        return total

    def middle(self, count: int) -> NDArray[np.float32]:
        """The mean of `count` rows, evenly spread over the table."""
        ids = np.linspace(0, self.vocabulary - 1, min(count, self.vocabulary)).astype(np.int64)
        return self.sum(ids) / np.float32(len(ids))

    def _take(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        rows = self.rows[places]
        if self.is_bfloat16:
            return (rows.astype(np.uint32) << 16).view(np.float32)
        return rows.astype(np.float32)


def read_table(file: Path, name: str) -> tuple[Table, bool]:
    """The table, and whether it is model2vec's, which leaves unknown tokens out.

    Raises ModelError.
    """
    tensors = map_tensors(file, name)
    key = next((key for key in _ROWS if key in tensors), None)
    if key is None:
        raise ModelError(
            f"model {name}: {file.name} holds {', '.join(sorted(tensors)) or 'nothing'}; expected "
            "embedding.weight, as sentence-transformers writes it, or embeddings, as model2vec does"
        )
    kind, rows = tensors[key]
    if rows.ndim != 2 or not rows.size or kind not in _NUMBERS:
        raise ModelError(
            f"model {name}: {key} in {file.name} is {kind} of shape {rows.shape}; expected a row "
            f"of {', '.join(_NUMBERS)} for each token"
        )
    factors = _column(tensors, "weights", file, name)
    places = _column(tensors, "mapping", file, name)
    if places is not None and not 0 <= places.min() <= places.max() < len(rows):
        raise ModelError(
            f"model {name}: mapping in {file.name} leads to row {places.max()}; expected one of "
            f"{len(rows)}"
        )
    table = Table(
        rows,
        None if factors is None else np.asarray(factors, dtype=np.float32),
        None if places is None else np.asarray(places, dtype=np.int64),
        kind == "BF16",
    )
    return table, key == _ROWS[1]


def _column(
    tensors: dict[str, tuple[str, NDArray[Any]]], key: str, file: Path, name: str
) -> NDArray[Any] | None:
    if key not in tensors:
        return None
    kind, column = tensors[key]
    if column.ndim != 1 or not column.size or kind == "BF16":
        raise ModelError(
            f"model {name}: {key} in {file.name} is {kind} of shape {column.shape}; expected one "
            "number for each token"
        )
    return column


def map_tensors(file: Path, name: str) -> dict[str, tuple[str, NDArray[Any]]]:
    """Type and values of each tensor in the file; types that are no numbers here are left out.

    Raises ModelError if the file is no safetensors file, or not all of it is there.
    """
    mapped = np.memmap(file, dtype=np.uint8, mode="r") if file.stat().st_size else np.empty(0, "u1")
    content = np.asarray(mapped)  # a plain view, whose slices cost less than those of a memmap
    try:
        size = int.from_bytes(content[:8].tobytes(), "little")
        if len(content) < 8 or size > min(_MOST_HEADER, len(content) - 8):
            raise ValueError("its header is not all there")
        header = json.loads(content[8 : 8 + size].tobytes())
        return {
            key: (tensor["dtype"], _view(content[8 + size :], tensor))
            for key, tensor in header.items()
            if key != "__metadata__" and tensor["dtype"] in _TYPES
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"model {name}: {file} cannot be read: {error}; expected a whole safetensors file. "
            "Copy or download the model again"
        ) from error


def _view(content: NDArray[np.uint8], tensor: dict[str, Any]) -> NDArray[Any]:
    start, end = tensor["data_offsets"]
    if not 0 <= start <= end <= len(content):
        raise ValueError("its tensors are not all there")
    some = content[start:end]
    dtype = np.dtype(_TYPES[tensor["dtype"]])
    if some.ctypes.data % dtype.itemsize:
        some = some.copy()  # old writers did not align tensors
    return some.view(dtype).reshape(tensor["shape"])
