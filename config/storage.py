"""How vectors are stored: how many dimensions, at which precision, and what the server adds."""

from dataclasses import dataclass
from typing import Literal, get_args

Precision = Literal["float32", "int8", "binary"]
Quantization = Literal["none", "scalar", "binary"]
Similarity = Literal["dotProduct", "cosine", "euclidean"]

EncodePrecision = Literal["auto", "float32", "bfloat16", "float16"]  # of the teacher's model

PRECISIONS: tuple[str, ...] = get_args(Precision)
QUANTIZATIONS: tuple[str, ...] = get_args(Quantization)
ENCODE_PRECISIONS: tuple[str, ...] = get_args(EncodePrecision)

_SIMILARITIES: dict[str, Similarity] = {
    "float32": "dotProduct",  # rows are unit length, so this is cosine without the division
    "int8": "cosine",  # rounding leaves the codes a little off unit length
    "binary": "euclidean",  # the only one the server takes for bits; it scores by Hamming
}


_GRAPH = 60  # bytes
_SAVINGS = {"none": 1.0, "scalar": 3.75, "binary": 24.0}  # as MongoDB tells them


@dataclass(frozen=True, kw_only=True)
class Storage:
    """`dimensions` None keeps all the teacher has; `quantization` is the server's own."""

    dimensions: int | None = None
    precision: Precision = "float32"
    quantization: Quantization = "none"

    @property
    def similarity(self) -> Similarity:
        return _SIMILARITIES[self.precision]

    def problems(self) -> list[str]:
        """List what the server would refuse, or skip silently; empty if the form is fine."""
        found = []
        if self.dimensions is not None and not 1 <= self.dimensions <= 8192:
            found.append(f"dimensions {self.dimensions}: expected 1 to 8192")
        if self.quantization != "none" and self.precision != "float32":
            found.append(
                f"quantization {self.quantization} with precision {self.precision}: the server "
                "quantizes float32 vectors only; give one or the other"
            )
        in_bits = "binary" in (self.precision, self.quantization)
        if in_bits and self.dimensions is not None and self.dimensions % 8:
            found.append(f"dimensions {self.dimensions}: bits need a multiple of 8")
        return found


def index_bytes(precision: str, quantization: str, dimensions: int) -> float:
    """Estimate the bytes of a vector in the search process, with its share of the graph."""
    if precision == "binary":
        return dimensions / 8 + _GRAPH
    if precision == "int8":
        return dimensions + _GRAPH
    return 4 * dimensions / _SAVINGS[quantization] + _GRAPH


STORAGES: dict[str, Storage] = {
    "mrl256": Storage(dimensions=256),
    "mrl256-int8": Storage(dimensions=256, precision="int8"),
    "binary": Storage(precision="binary"),
    "full": Storage(),
}
