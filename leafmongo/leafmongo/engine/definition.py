"""The definition of a vector index: its fields, and the rules for them.

Two rules are stricter than the search process itself, as on Atlas: `fields` has to have an entry,
and at least one of them has to be a vector, or a text that is embedded automatically. The only
model for that is `hashing`; see documents/text_model.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from leafmongo.engine.documents.paths import path_problem
from leafmongo.engine.documents.stored_source import StoredSource, parse_stored_source
from leafmongo.engine.documents.text_model import DEFAULT_DIMENSIONS, HASHING, MODEL_DIMENSIONS
from leafmongo.engine.errors import CommandError, Refused
from leafmongo.engine.parser import Section, parse_definition_by, show

SIMILARITIES = ("cosine", "dotProduct", "euclidean")
QUANTIZATIONS = ("none", "scalar", "binary")
PARTITIONS = (1, 2, 4, 8, 16, 32, 64)
FIELD_TYPES = ("vector", "filter", "autoEmbed", "text", "embeddedDocuments")
# By the provider's name: the quantization of the index over its vectors.
_EMBEDDED = {"float": "none", "scalar": "none", "binary": "binary"}


@dataclass(frozen=True)
class HnswOptions:
    """Accepted and compared, but without effect: every search here scans all vectors."""

    max_edges: int = 16
    num_edge_candidates: int = 100


@dataclass(frozen=True)
class VectorField:
    """`model` embeds the texts at the path. `quantizes_int8`: int8 vectors are indexed under
    quantization "binary", as on Atlas since October 2026; before, they were skipped."""

    path: str
    dimensions: int
    similarity: str
    quantization: str = "none"
    indexing_method: str = "hnsw"
    hnsw: HnswOptions = HnswOptions()
    model: str | None = None
    quantizes_int8: bool = field(default=True, compare=False)


@dataclass(frozen=True)
class FilterField:
    path: str


@dataclass(frozen=True)
class VectorDefinition:
    fields: tuple[VectorField | FilterField, ...]
    num_partitions: int = 1
    stored_source: StoredSource | None = None
    nested_root: str | None = None

    @property
    def vector_fields(self) -> list[VectorField]:
        return [field for field in self.fields if isinstance(field, VectorField)]

    @property
    def filter_paths(self) -> list[str]:
        return [field.path for field in self.fields if isinstance(field, FilterField)]

    def vector_field(self, path: str) -> VectorField | None:
        return next((field for field in self.vector_fields if field.path == path), None)

    def with_int8_quantized(self, quantizes_int8: bool) -> "VectorDefinition":
        fields = tuple(
            replace(each, quantizes_int8=quantizes_int8) if isinstance(each, VectorField) else each
            for each in self.fields
        )
        return replace(self, fields=fields)

    def is_nested(self, path: str) -> bool:
        """Whether the path belongs to the elements under nestedRoot, not to the document itself."""
        return self.nested_root is not None and is_under(path, self.nested_root)

    def projection(self) -> dict[str, Any] | None:
        """The fields to read of documents, for find(); None for whole documents.

        A projection cannot select keys that literally contain a dot, so their vectors and filter
        values are indexed only from whole documents.
        """
        needed = [field.path for field in self.fields]
        if self.nested_root:
            needed.append(self.nested_root)
        source = self.stored_source
        if source is None or not source.exclude:
            paths = [*needed, *(source.paths if source else ()), "_id"]
            return {path: 1 for path in _outermost(paths)}
        needed.append("_id")
        spared = [path for path in source.paths if not any(_overlap(path, each) for each in needed)]
        return {path: 0 for path in spared} or None


def parse_definition(
    definition: Mapping[str, Any], *, context: str = "userCommand.indexes[0]", strict: bool = False
) -> VectorDefinition:
    """`strict` refuses unknown top-level keys: updateSearchIndex does, createSearchIndexes not."""
    return parse_definition_by(lambda section: _parse(section, strict=strict), definition, context)


def is_equivalent(a: VectorDefinition, b: VectorDefinition) -> bool:
    """Compare like createSearchIndexes, which ignores storedSource and nestedRoot."""
    return a.fields == b.fields and a.num_partitions == b.num_partitions


def is_under(path: str, root: str) -> bool:
    return path == root or path.startswith(root + ".")


def _outermost(paths: Iterable[str]) -> list[str]:
    """Leave out paths below others, since MongoDB refuses a path together with one below it."""
    paths = sorted(set(paths))
    return [path for path in paths if not any(p != path and is_under(path, p) for p in paths)]


def _overlap(path: str, other: str) -> bool:
    return is_under(path, other) or is_under(other, path)


def _parse(section: Section, *, strict: bool) -> VectorDefinition:
    entries = section.need("fields", section.array("fields"))
    if not entries:
        raise section.refused("fields", "cannot be empty")
    fields = tuple(_field(entry, section.name(f"fields[{i}]")) for i, entry in enumerate(entries))
    _refuse_repeated_paths(section, fields)
    partitions = section.integer("numPartitions")
    if partitions is not None and partitions not in PARTITIONS:
        allowed = ", ".join(map(str, PARTITIONS))
        raise section.refused("numPartitions", f"must be one of [{allowed}]; {partitions} given")
    parsed = VectorDefinition(
        fields, partitions or 1, parse_stored_source(section), section.text("nestedRoot")
    )
    _refuse_vectorless(section, parsed)
    if strict:
        section.refuse_other_keys()
    return parsed


def _refuse_repeated_paths(section: Section, fields: tuple[VectorField | FilterField, ...]) -> None:
    paths = [field.path for field in fields]
    repeated = sorted(path for path, count in Counter(paths).items() if count > 1)
    if repeated:
        raise section.refused(
            "fields", f"must have distinct paths, vector and filter alike; repeated: {repeated}"
        )


def _refuse_vectorless(section: Section, parsed: VectorDefinition) -> None:
    if not parsed.vector_fields:
        raise section.refused("fields", 'must have at least one entry of type "vector"')
    if len({each.model is None for each in parsed.vector_fields}) > 1:
        raise section.refused("fields", 'must not mix the types "vector" and "autoEmbed"')
    root = parsed.nested_root
    if root and not any(is_under(field.path, root) for field in parsed.vector_fields):
        raise section.refused(
            "nestedRoot",
            f'"{root}" is neither a vector path of the definition nor an ancestor of one',
        )


def _field(entry: Any, where: str) -> VectorField | FilterField:
    if not isinstance(entry, Mapping):
        raise Refused(f'"{where}" must be a document; {show(entry)} was given')
    section = Section(entry, where)
    kind = section.need("type", section.choice("type", FIELD_TYPES))
    path = section.need("path", section.text("path"))
    if wrong := path_problem(path):
        raise section.refused("path", wrong)
    if kind == "filter":
        section.refuse_other_keys()
        return FilterField(path)
    if kind == "vector":
        return _vector_field(section, path)
    if kind == "embeddedDocuments":
        raise section.refused("type", '"embeddedDocuments" is not supported; use nestedRoot')
    model = section.need("model", section.text("model"))
    if model != HASHING or kind != "autoEmbed":
        raise CommandError(
            2,
            "BadValue",
            f'"{section.name("model")}": no model "{model}" is registered here for {kind}; '
            f'"{HASHING}" is, for autoEmbed',
        )
    return _embedded_field(section, path)


def _vector_field(section: Section, path: str) -> VectorField:
    dimensions = section.need("numDimensions", section.within("numDimensions", 1, 8192))
    similarity = section.need("similarity", section.choice("similarity", SIMILARITIES))
    quantization = section.choice("quantization", QUANTIZATIONS) or "none"
    method = section.choice("indexingMethod", ("hnsw", "flat")) or "hnsw"
    hnsw = _hnsw(section, method)
    if section.choice("engine", ("lucene", "custom")) == "custom":
        raise section.refused("engine", '"custom" is not supported; use "lucene" or leave it out')
    section.refuse_other_keys()
    if quantization == "binary" and dimensions % 8:
        raise section.refused(
            "numDimensions", f"must be a multiple of 8 for binary quantization; {dimensions} given"
        )
    return VectorField(path, dimensions, similarity, quantization, method, hnsw)


def _embedded_field(section: Section, path: str) -> VectorField:
    modality = section.need("modality", section.text("modality"))
    if modality.lower() != "text":
        raise section.refused("modality", f'must be "text"; {show(modality)} was given')
    dimensions = section.integer("numDimensions") or DEFAULT_DIMENSIONS
    if dimensions not in MODEL_DIMENSIONS:
        allowed = ", ".join(map(str, MODEL_DIMENSIONS))
        raise section.refused("numDimensions", f"must be one of [{allowed}]; {dimensions} given")
    stored = section.choice("quantization", _EMBEDDED) or "float"
    usual = "euclidean" if stored == "binary" else "dotProduct"
    similarity = section.choice("similarity", SIMILARITIES) or usual
    method = section.choice("indexingMethod", ("hnsw", "flat")) or "hnsw"
    hnsw = _hnsw(section, method)
    section.refuse_other_keys()
    return VectorField(path, dimensions, similarity, _EMBEDDED[stored], method, hnsw, HASHING)


def _hnsw(section: Section, method: str) -> HnswOptions:
    options = section.section("hnswOptions")
    if options is None:
        return HnswOptions()
    max_edges = options.within("maxEdges", 16, 64)
    candidates = options.within("numEdgeCandidates", 100, 3200)
    options.refuse_other_keys()
    if method == "flat":
        raise section.refused("hnswOptions", 'is only supported with "indexingMethod: hnsw"')
    return HnswOptions(max_edges or 16, candidates or 100)
