"""How vectors are stored: how many dimensions, at which precision, and what the server adds."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

Precision = Literal["float32", "int8", "binary"]
Quantization = Literal["none", "scalar", "binary"]
Similarity = Literal["dotProduct", "cosine", "euclidean"]
IndexingMethod = Literal["hnsw", "flat"]

EncodePrecision = Literal["auto", "float32", "bfloat16", "float16"]  # of the teacher's model

PRECISIONS: tuple[str, ...] = get_args(Precision)
QUANTIZATIONS: tuple[str, ...] = get_args(Quantization)
INDEXING_METHODS: tuple[str, ...] = get_args(IndexingMethod)
MAX_EDGES, EDGE_CANDIDATES = (16, 64), (100, 3200)  # the server's limits; defaults are the least
BESIDE: tuple[str, ...] = ("int8", "float32")  # bits that an index holds
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
    """`dimensions` None keeps all the teacher has; `quantization` is the server's own.

    `beside` is the precision of second vectors, which are stored beside bits and not indexed, to
    rescore what the index finds.
    """

    dimensions: int | None = None
    precision: Precision = "float32"
    quantization: Quantization = "none"
    beside: Precision | None = None

    @property
    def similarity(self) -> Similarity:
        return _SIMILARITIES[self.precision]

    @property
    def is_quantizable(self) -> bool:
        """Whether the newest server applies this quantization to vectors of this precision."""
        return self.precision == "float32" or quantizes_int8(self.precision, self.quantization)

    def problems(self) -> list[str]:
        """List what the server would refuse, or skip silently; empty if the form is fine."""
        found = []
        if self.dimensions is not None and not 1 <= self.dimensions <= 8192:
            found.append(f"dimensions {self.dimensions}: expected 1 to 8192")
        if self.quantization != "none" and not self.is_quantizable:
            takes = "float32 and int8" if self.quantization == "binary" else "float32"
            found.append(
                f"quantization {self.quantization} with precision {self.precision}: the server "
                f"takes {takes} vectors only for it; give one or the other"
            )
        if self.beside is not None and self.precision != "binary":
            found.append(
                f"{self.beside} beside precision {self.precision}: expected precision binary; only "
                "bits need other vectors to rescore with"
            )
        if self.beside == "binary":
            found.append("binary beside precision binary: expected int8 or float32")
        in_bits = "binary" in (self.precision, self.quantization)
        if in_bits and self.dimensions is not None and self.dimensions % 8:
            found.append(f"dimensions {self.dimensions}: bits need a multiple of 8")
        return found


@dataclass(frozen=True, kw_only=True)
class IndexTuning:
    """How the server builds the indexes; no vector depends on it. None: not chosen.

    `stored_source`: the index also keeps what hits show, so that no document is looked up.
    `text_analyzer` is that of the text index, `lucene.standard` if not chosen.
    """

    indexing_method: IndexingMethod | None = None
    hnsw_max_edges: int | None = None
    hnsw_candidates: int | None = None
    stored_source: bool | None = None
    text_analyzer: str | None = None

    @property
    def chosen(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if value is not None}

    @property
    def is_flat(self) -> bool:
        return self.indexing_method == "flat"

    def changed_by(self, asked: "IndexTuning") -> "IndexTuning":
        """What was chosen before, unless `asked` chooses otherwise; `flat` drops the graph's."""
        kept = replace(self, hnsw_max_edges=None, hnsw_candidates=None) if asked.is_flat else self
        return IndexTuning(**{**kept.chosen, **asked.chosen})  # type: ignore[arg-type]

    def problems(self) -> Iterator[str]:
        """Name what the server would refuse, by its option."""
        for option, value, (least, most) in (
            ("--hnsw-max-edges", self.hnsw_max_edges, MAX_EDGES),
            ("--hnsw-candidates", self.hnsw_candidates, EDGE_CANDIDATES),
        ):
            if value is None:
                continue
            if not least <= value <= most:
                yield f"{option} {value}: expected {least} to {most}"
            if self.is_flat:
                yield f"{option} {value}: a flat index has no graph. Give --indexing-method hnsw"


UNTUNED = IndexTuning()


def quantizes_int8(precision: str, quantization: str) -> bool:
    """Whether the server is to quantize int8 vectors to bits: Atlas does since 2026-10-19, an
    older server skips such vectors without an error."""
    return precision == "int8" and quantization == "binary"


def index_bytes(
    precision: str, quantization: str, dimensions: int, *, is_flat: bool = False
) -> float:
    """Estimate the bytes of a vector in the search process, with its share of the graph."""
    graph = 0 if is_flat else _GRAPH
    if precision == "binary":
        return dimensions / 8 + graph
    if precision == "int8" and quantization == "none":
        return dimensions + graph
    return 4 * dimensions / _SAVINGS[quantization] + graph


STORAGES: dict[str, Storage] = {
    "mrl256": Storage(dimensions=256),
    "mrl256-int8": Storage(dimensions=256, precision="int8"),
    "binary": Storage(precision="binary"),
    "binary-int8": Storage(precision="binary", beside="int8"),
    "full": Storage(),
}
